"""Logistic regression, for two classes or more."""

from sklearn.linear_model import LogisticRegression

from trainers.estimators.family import Family

LOGISTIC = Family(
    "logistic",
    {"classification": LogisticRegression},
    # scikit-learn's 100 iterations are too few for many wide data sets, even scaled ones.
    {"classification": {"max_iter": 1_000}},
    scaled=True,
)
