"""Linear regression by ordinary least squares."""

from sklearn.linear_model import LinearRegression

from trainers.estimators.family import Family

LINEAR = Family("linear", {"regression": LinearRegression}, scaled=True)
