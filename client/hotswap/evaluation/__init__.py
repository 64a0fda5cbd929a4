"""What a version keeps of its evaluation: figures of plots, a baseline, the profile of its data.

Written by trainers and by ``hotswap.log``. Imports numpy, and scikit-learn only where it draws
curves or needs estimators; nothing of ours except ``hotswap.metrics``.
"""
