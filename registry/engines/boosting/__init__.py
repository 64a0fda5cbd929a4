"""The models of XGBoost and LightGBM, read from what these libraries write, and as estimators.

Used in confined processes only. Never imports either library.
"""
