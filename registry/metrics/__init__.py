"""The metrics of predictions and how uncertain they are, for trainers and gates alike.

Never imports scikit-learn, and knows nothing of versions, holdouts or tables.
"""
