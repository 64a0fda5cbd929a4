"""MLflow's scoring protocol 2.0 and SageMaker's container contract, for their unmodified clients:
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""
