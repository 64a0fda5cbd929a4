"""Models of scikit-learn's own types whose parameters read, write, call or start something."""

import logging
import os
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
)
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfVectorizer,
)
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVR
from xgboost import XGBRegressor

from tests.attacks.attack import Attack, Canary
from tests.attacks.nested import cache_at
from tests.attacks.opcodes import Call, written

_draws = np.random.default_rng(7)
X = _draws.normal(size=(40, 3))
Y = X @ [1.0, -2.0, 0.5]


def _fitted() -> Pipeline:
    return make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)


def _booster() -> XGBRegressor:
    return XGBRegressor(n_estimators=2, n_jobs=1).fit(X, Y)


def _hiding(step: Any, **attributes: Any) -> Pipeline:
    """A fitted pipeline with one more step, which was never fitted."""
    model = _fitted()
    vars(step).update(attributes)
    model.steps.insert(1, ("hidden", step))
    return model


def _with(model: Any, **attributes: Any) -> Any:
    vars(model).update(attributes)
    return model


def _columns(chosen: Any) -> Any:
    model = make_pipeline(
        ColumnTransformer([("a", StandardScaler(), [0, 1, 2])]), LinearRegression()
    )
    model.fit(X, Y)
    model[0].transformers[0] = ("a", model[0].transformers[0][1], chosen)
    model[0].transformers_[0] = ("a", model[0].transformers_[0][1], chosen)
    return model


def _search(called: Any = r2_score) -> Any:
    model = GridSearchCV(LinearRegression(), {}, scoring=make_scorer(r2_score), cv=2).fit(X, Y)
    model.scorer_ = make_scorer(called)
    return model


HOSTILE: dict[str, Callable[[Canary], Any]] = {
    "CountVectorizer reads files": lambda c: _hiding(CountVectorizer(input="filename")),
    "TfidfVectorizer reads files": lambda c: _hiding(TfidfVectorizer(input="file")),
    "TfidfVectorizer calls its analyzer": lambda c: _hiding(TfidfVectorizer(analyzer=os.system)),
    "CountVectorizer calls its tokenizer": lambda c: _hiding(CountVectorizer(tokenizer=os.system)),
    "CountVectorizer calls its preprocessor": lambda c: _hiding(
        CountVectorizer(preprocessor=os.system)
    ),
    "CountVectorizer brings a slow pattern": lambda c: _hiding(
        CountVectorizer(token_pattern="(a+)+$")
    ),
    "HashingVectorizer reads files": lambda c: _hiding(HashingVectorizer(input="filename")),
    "FunctionTransformer calls os.system": lambda c: _hiding(FunctionTransformer(os.system)),
    "FunctionTransformer calls numpy.save": lambda c: _hiding(
        FunctionTransformer(np.save, kw_args={"arr": 1})
    ),
    "FunctionTransformer calls joblib.load": lambda c: _hiding(FunctionTransformer(joblib.load)),
    "FunctionTransformer calls a type of numbers": lambda c: _hiding(
        FunctionTransformer(np.float64)
    ),
    "FunctionTransformer calls a text": lambda c: _hiding(FunctionTransformer("os.system")),
    "FunctionTransformer calls back": lambda c: _hiding(
        FunctionTransformer(inverse_func=os.system)
    ),
    "TransformedTargetRegressor calls a function": lambda c: _with(
        TransformedTargetRegressor(LinearRegression()).fit(X, Y), inverse_func=np.save
    ),
    "OneHotEncoder calls a function": lambda c: _hiding(
        OneHotEncoder(feature_name_combiner=os.path.join)
    ),
    "a function chooses the columns": lambda c: _columns(os.listdir),
    "SelectKBest calls a function": lambda c: _hiding(SelectKBest(os.system)),
    "a kernel that is a function": lambda c: _with(SVR().fit(X, Y), kernel=os.path.join),
    "a distance that is a function": lambda c: KNeighborsRegressor(metric=os.path.join).fit,
    "FunctionTransformer passes an array to write to": lambda c: _hiding(
        FunctionTransformer(np.exp, kw_args={"out": np.zeros((1, 1))})
    ),
    "columns chosen by a type of the file": lambda c: _columns(
        make_column_selector(dtype_include=os._wrap_close)
    ),
    "a frozen estimator of a function": lambda c: _hiding(FrozenEstimator(os.system)),
    "a Gaussian process of a function": lambda c: _with(
        GaussianProcessRegressor().fit(X, Y), kernel_=os.system
    ),
    "a cache on the disk": lambda c: _with(_fitted(), memory=c.path),
    "a cache of joblib's": lambda c: _with(_fitted(), memory=cache_at(c.path)),
    "a cache in a step": lambda c: _hiding(Pipeline([("s", StandardScaler())], memory=c.path)),
    "random numbers from elsewhere": lambda c: _with(
        RandomForestRegressor(2).fit(X, Y), random_state=np.random.default_rng(0)
    ),
    "a method replaced by a class": lambda c: _hiding(StandardScaler(), transform=dict),
    "a method replaced by a number": lambda c: _hiding(StandardScaler(), transform=1),
    "tags replaced": lambda c: _hiding(StandardScaler(), __sklearn_tags__=1),
    "a class kept for later": lambda c: _hiding(StandardScaler(), note_=os._wrap_close),
    "a function kept for later": lambda c: _hiding(StandardScaler(), note_=os.system),
    "a function in a list in a dictionary": lambda c: _hiding(
        StandardScaler(), note_={"a": [(os.system,)]}
    ),
    "a module's own object": lambda c: _hiding(StandardScaler(), note_=logging.getLogger()),
    "a call instead of a booster": lambda c: _with(_booster(), _Booster=Call(os.system, c.command)),
    "no model": lambda c: {"model": _fitted()},
    "a model that does not predict": lambda c: StandardScaler().fit(X),
    "a model that is not fitted": lambda c: LinearRegression(),
    "a pipeline in itself": lambda c: _looped(),
}


def _looped() -> Pipeline:
    model = _fitted()
    model.steps.append(("again", model))
    return model


def _threads(count: int) -> RandomForestRegressor:
    model = RandomForestRegressor(3, random_state=0).fit(X, Y)
    model.n_jobs = model.estimators_[0].n_jobs = count
    return model


HARMLESS: dict[str, Callable[[Canary], Any]] = {
    "a million processes": lambda c: _threads(10**6),
    "talks a lot": lambda c: _with(RandomForestRegressor(2).fit(X, Y), verbose=10**6),
    "a scorer that is not used": lambda c: _with(
        RidgeCV().fit(X, Y), scoring="neg_mean_squared_error"
    ),
    "a search tree": lambda c: KNeighborsRegressor().fit(X, Y),
    "a search with its scorer": lambda c: _search(),
    "a booster with a call beside it": lambda c: _with(
        _booster(), callbacks=[Call(os.system, c.command)]
    ),
    "a search scored by a function of the file": lambda c: _search(os.path.join),
}
"""The server replaces or leaves out what is harmful in these."""


def _readable(make: Callable[[Canary], Any], format: str) -> Callable[[Canary], bytes]:
    def attack(canary: Canary) -> bytes:
        return written(make(canary), format)

    return attack


# What skops itself does not write is no attack by skops; those that try are in archives.
_NO_SKOPS = frozenset(
    {
        *("a booster with a call beside it", "a call instead of a booster"),
        *("a module's own object", "a pipeline in itself"),
    }
)
ATTACKS = [
    Attack(name, format_, _readable(make, format_), harmless=harmless)
    for group, harmless in ((HOSTILE, False), (HARMLESS, True))
    for name, make in group.items()
    for format_ in ("joblib", "skops")
    if format_ == "joblib" or name not in _NO_SKOPS
]
