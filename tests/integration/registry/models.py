"""Small fitted models of every kind that the allow-list accepts."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC, NuSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from registry.preprocessing import BandEncoder

_draws = np.random.default_rng(3)
X = _draws.normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5] + _draws.normal(size=60) / 10
LABELS = np.where(Y > 0, "high", "low")
THREE = np.digitize(Y, [-1, 1])
FRAME = pd.DataFrame(
    {
        "age": np.where(_draws.random(60) < 0.1, np.nan, _draws.uniform(1, 99, 60)),
        "rate": X[:, 0],
        "city": pd.Series(_draws.choice(["Ghent", "Leeds", "Turin"], 60), dtype=object),
    }
)


def shop(final):
    """Bands, imputed numbers and one-hot text before ``final``."""
    text = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = ColumnTransformer(
        [
            ("bands", BandEncoder([0, 18, 60, 100], ["child", "adult", "old"]), ["age"]),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["rate"]),
            ("text", text, ["city"]),
        ]
    )
    return make_pipeline(columns, final)


def wide_tree():
    return make_pipeline(PolynomialFeatures(2), DecisionTreeRegressor(max_depth=3))


MODELS = {
    "shop-forest": shop(RandomForestClassifier(5, random_state=0)).fit(FRAME, LABELS),
    "shop-linear": shop(LinearRegression()).fit(FRAME, Y),
    "shop-logistic": shop(LogisticRegression()).fit(FRAME, LABELS),
    "linear": LinearRegression().fit(X, Y),
    "ridge": make_pipeline(StandardScaler(), Ridge()).fit(X, Y),
    "elastic": ElasticNet(alpha=0.1).fit(X, Y),
    "logistic": LogisticRegression().fit(X, THREE),
    "sgd": SGDClassifier(random_state=0).fit(X, LABELS),
    "tree": DecisionTreeRegressor(max_depth=4).fit(X, Y),
    "tree-classes": DecisionTreeClassifier(max_depth=4).fit(X, THREE),
    "forest": RandomForestRegressor(5, random_state=0).fit(X, Y),
    "extra": ExtraTreesClassifier(5, random_state=0).fit(X, LABELS),
    "boosted": GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, Y),
    "boosted-classes": GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, THREE),
    "ada": AdaBoostRegressor(n_estimators=5, random_state=0).fit(X, Y),
    "voting": VotingRegressor([("a", wide_tree()), ("b", wide_tree())]).fit(X, Y),
    "target": TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()).fit(
        X, Y
    ),
    "bins": make_pipeline(
        KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), Ridge()
    ).fit(X, Y),
    "ordinal": make_pipeline(OrdinalEncoder(), DecisionTreeClassifier()).fit(
        FRAME[["city"]], LABELS
    ),
    "bayes": GaussianNB().fit(X, LABELS),
    "network": MLPRegressor(
        hidden_layer_sizes=(4,), solver="lbfgs", random_state=0, max_iter=2000
    ).fit(X, Y),
    "bagging": BaggingClassifier(n_estimators=3, max_features=0.7, random_state=0).fit(X, LABELS),
    "stacking": StackingRegressor([("tree", DecisionTreeRegressor(max_depth=2))]).fit(X, Y),
    "histograms": HistGradientBoostingRegressor(max_iter=4, random_state=0).fit(X, Y),
    "histograms-classes": HistGradientBoostingClassifier(max_iter=4).fit(X, THREE),
    "machine": make_pipeline(StandardScaler(), SVC()).fit(X, THREE),
    "machine-values": NuSVR().fit(X, Y),
    "one-hot-float32": make_pipeline(
        OneHotEncoder(dtype=np.float32, handle_unknown="ignore"), LinearRegression()
    ).fit(X, Y),
    "dummy": DummyClassifier().fit(X, LABELS),
}


def rows_for(model):
    """Rows that ``model`` takes."""
    names = getattr(model, "feature_names_in_", None)
    return X if names is None else FRAME[list(names)]
