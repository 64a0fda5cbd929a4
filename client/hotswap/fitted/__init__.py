"""A fitted model and the data that it was measured on, as the upload of a version.

Imports numpy, scikit-learn and what saves models; nothing of ours except the client itself.
"""
