"""The models of XGBoost and LightGBM, read from their own files and compiled for our kernel.

Runs in a confined process only. Never imports either library.
"""
