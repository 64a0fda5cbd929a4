"""Measures versions on a holdout and holds the figures against gates.

Never imports scikit-learn, never opens a write transaction, and never knows who asks.
"""
