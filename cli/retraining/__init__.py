"""What ``hotswap retrain`` does. Imports no scikit-learn; prints nothing."""
