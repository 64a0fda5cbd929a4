"""A plugin of MLflow: a registry URI such as ``hotswap+http://host:8000`` registers models here.

MLflow finds it by the entry points of the distribution; nothing else of the client imports it.
https://mlflow.org/docs/latest/ml/plugins/
"""
