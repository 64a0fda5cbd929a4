"""Models that scikit-learn serves: those that do not convert, and those converted wrongly."""

import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from registry.intake.compilation import compile_model
from registry.intake.conversion.pipeline import convert
from registry.intake.signatures import read_signature
from tests.integration.registry.shops import (
    FRAME,
    LABELS,
    TARGET,
    preparation,
    signature_of,
)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            make_pipeline(
                ColumnTransformer([("texts", OneHotEncoder(), ["city", "plan"])]), Ridge()
            ),
            "handle_unknown='error'",
        ),
        (
            make_pipeline(
                ColumnTransformer(
                    [
                        (
                            "texts",
                            OrdinalEncoder(
                                handle_unknown="use_encoded_value",
                                unknown_value=-1,
                                max_categories=2,
                            ),
                            ["plan"],
                        )
                    ]
                ),
                SimpleImputer(),
                Ridge(),
            ),
            "OrdinalEncoder that groups infrequent categories",
        ),
        (
            make_pipeline(
                ColumnTransformer([("scale", StandardScaler(), ["age"])]), LinearRegression()
            ),
            "scikit-learn itself refuses some rows",
        ),
        (
            make_pipeline(
                ColumnTransformer(
                    [("texts", OneHotEncoder(handle_unknown="ignore"), ["city", "plan"])],
                    remainder=SimpleImputer(),
                    sparse_threshold=1.0,
                ),
                Normalizer(),
                Ridge(),
            ),
            "divides sparse rows by norms of any size",
        ),
        (
            make_pipeline(
                preparation(),
                TransformedTargetRegressor(LinearRegression(), transformer=MinMaxScaler()),
            ),
            "A target that a MinMaxScaler transforms",
        ),
    ],
    ids=["unknown-refused", "ordinal", "null-refused", "sparse-norms", "target"],
)
def test_models_that_do_not_convert_are_served_by_scikit_learn_with_a_reason(model, why):
    fitted = model.fit(FRAME.dropna() if why.startswith("scikit") else FRAME, _target(why))

    made = compile_model(fitted, signature_of(fitted), None)

    assert made.engine["name"] == "scikit-learn"
    assert why in made.engine["reason"]
    assert made.blobs == {}


def _target(why):
    return TARGET[FRAME.notna().all(axis=1)] if why.startswith("scikit") else TARGET


def slightly_wrong(by):
    """A fake converter that converts another model than the one it is given."""

    def converter(model, signature):
        final = model.steps[-1][1]
        kept = final.intercept_
        final.intercept_ = kept + by
        try:
            return convert(model, signature)
        finally:
            final.intercept_ = kept

    return converter


@pytest.mark.parametrize(
    ("final", "target", "by", "fault"),
    [
        (LinearRegression(), TARGET, 1e-3, "numbers differ by"),
        (LogisticRegression(max_iter=2000), LABELS["booleans"], 1e-4, "probabilities differ by"),
        (RidgeClassifier(), LABELS["booleans"], 0.5, "labels differ"),
    ],
    ids=["values", "probabilities", "labels"],
)
def test_a_wrong_conversion_is_detected(final, target, by, fault):
    model = make_pipeline(preparation(), final).fit(FRAME, target)

    made = compile_model(model, signature_of(model), None, slightly_wrong(by))

    assert made.engine["name"] == "scikit-learn"
    assert fault in made.engine["reason"]


def _no_onnx_file(model, signature):
    return b"no ONNX file"


def _no_memory(model, signature):
    raise MemoryError


def _crash(model, signature):
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(
    ("converter", "why"),
    [
        (_no_onnx_file, "is not supported"),
        (_no_memory, "too much memory"),
        (_crash, "ZeroDivisionError"),
    ],
)
def test_a_failed_conversion_is_a_reason_and_not_an_error(converter, why):
    model = LinearRegression().fit(FRAME[["seen_at", "member"]], TARGET)

    made = compile_model(model, read_signature(model, None), None, converter)

    assert made.engine["name"] == "scikit-learn"
    assert why in made.engine["reason"]
