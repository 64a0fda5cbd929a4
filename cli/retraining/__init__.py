"""The steps of ``hotswap retrain`` and their report. Imports no scikit-learn; prints nothing."""
