"""Preprocessing steps as operations of a target, in scikit-learn's own order.

Each converter takes the fitted step and its input block of columns, and returns its output block.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf, isnan, nan, nextafter
from typing import Any, cast

import numpy as np

from registry.dates import CalendarPart
from registry.formats.kept_values import chosen_columns
from registry.intake.conversion.target import (
    C,
    Columns,
    NotConvertible,
    Table,
    Target,
    Vocabulary,
    require,
)

_TFIDF: Mapping[str, Any] = {
    "analyzer": "word",
    "binary": False,
    "dtype": np.float64,
    "input": "content",
    "lowercase": True,
    "ngram_range": (1, 1),
    "norm": "l2",
    "preprocessor": None,
    "strip_accents": None,
    "sublinear_tf": False,
    "token_pattern": r"(?u)\b\w\w+\b",
    "tokenizer": None,
    "use_idf": True,
}
"""The parameters of a TfidfVectorizer that ``registry.terms`` has. Others, such as ``stop_words``,
only affect which terms are learnt."""
_NEVER = -2.0
"""A code that no text has: the category ``None`` equals no value of a request."""


def transform(target: Target[C], step: Any, block: C) -> C:
    """The output of ``step`` for ``block``. Raises NotConvertible."""
    if step is None or isinstance(step, str):
        require(step in {None, "passthrough", "drop"}, f"A step is {step!r}.")
        return block.choose([]) if step == "drop" else block
    converter = _CONVERTERS.get(type(step).__name__)
    if converter is not None:
        made: C = converter(target, step, block)
        return made
    _require_numbers(step, block)
    return target.foreign(step, block)


def transform_all(target: Target[C], steps: Sequence[tuple[str, Any]], block: C) -> C:
    """The output of the ``steps`` of a pipeline, applied in order, for ``block``.

    Raises NotConvertible.
    """
    sparse = False
    for _, step in steps:
        require(
            not (sparse and any(type(part).__name__ == "Normalizer" for part in _parts(step))),
            "scikit-learn divides sparse rows by norms of any size, and a Normalizer after a "
            "OneHotEncoder has no ONNX form here: fit that with sparse_output=False.",
        )
        block = transform(target, step, block)
        sparse = sparse or any(getattr(part, "sparse_output", False) for part in _parts(step))
    return block


def _parts(step: Any) -> list[Any]:
    """``step`` and its parameters, some of which may be steps."""
    return [step, *step.get_params().values()] if hasattr(step, "get_params") else []


def _pipeline(target: Target[C], step: Any, block: C) -> C:
    return transform_all(target, step.steps, block)


def _columns(target: Target[C], step: Any, block: C) -> C:
    made = []
    for name, inner, chosen in step.transformers_:
        picked = block.choose(chosen_columns(step, chosen, list(range(len(block)))))
        if not len(picked):
            continue
        require(
            step.transformer_weights is None or name not in step.transformer_weights,
            "A ColumnTransformer with weights has no ONNX form here.",
        )
        made.append(transform(target, inner, picked))
    return target.concat(made)


def _union(target: Target[C], step: Any, block: C) -> C:
    require(not step.transformer_weights, "A FeatureUnion with weights has no ONNX form here.")
    return target.concat([transform(target, inner, block) for _, inner in step.transformer_list])


def _identity(_: Target[C], step: Any, block: C) -> C:
    require(
        step.func is None and step.inverse_func is None,
        "A FunctionTransformer that calls a function has no ONNX form.",
    )
    return block


def _imputer(target: Target[C], step: Any, block: C) -> C:
    require(
        isinstance(step.missing_values, float) and isnan(step.missing_values),
        f"A SimpleImputer that fills {step.missing_values!r} has no ONNX form here.",
    )
    fills = [_code(value, text) for value, text in zip(step.statistics_, block.texts, strict=True)]
    require(
        not any(isnan(fill) for fill in fills),
        "A SimpleImputer that saw a column without values has no ONNX form here.",
    )
    made = target.fill(block, fills)
    if step.indicator_ is None:
        return made
    features = [int(feature) for feature in step.indicator_.features_]
    return target.concat([made, target.missing(block).choose(features)])


def _standard_scaler(target: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    if step.with_mean:
        block = target.subtract(block, step.mean_)
    # Divided, as in scikit-learn: multiplying by the reciprocal differs in the last digit.
    return block if step.scale_ is None else target.divide(block, step.scale_)


def _min_max_scaler(target: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    block = target.plus(target.multiply(block, step.scale_), step.min_)
    return target.clip(block, *map(float, step.feature_range)) if step.clip else block


def _max_abs_scaler(target: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    block = target.divide(block, step.scale_)
    return target.clip(block, -1.0, 1.0) if getattr(step, "clip", False) else block


def _robust_scaler(target: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    if step.with_centering:
        block = target.subtract(block, step.center_)
    return target.divide(block, step.scale_) if step.with_scaling else block


def _one_hot(target: Target[C], step: Any, block: C) -> C:
    require(
        step.handle_unknown in {"ignore", "infrequent_if_exist"},
        f"OneHotEncoder(handle_unknown={step.handle_unknown!r}) refuses unknown categories, "
        "which ONNX cannot: fit it with 'ignore'.",
    )
    if getattr(step, "_infrequent_enabled", False):
        return _grouped_one_hot(target, step, block)
    drops = [None] * len(block) if step.drop_idx_ is None else list(step.drop_idx_)
    positions: list[int] = []
    codes: list[float] = []
    for column, (categories, text) in enumerate(zip(step.categories_, block.texts, strict=True)):
        # The encoder gets a null as None, unless it was fitted with NaN.
        knows_nan = any(_is_nan(category) for category in categories)
        for index, category in enumerate(categories):
            if index != drops[column]:
                positions.append(column)
                is_null = category is None and not knows_nan
                codes.append(nan if is_null else _code(category, text))
    return target.equals(block.choose(positions), codes)


def _grouped_one_hot(target: Target[C], step: Any, block: C) -> C:
    """A column of 0 and 1 for each frequent category, and one for all infrequent ones."""
    drops = step._drop_idx_after_grouping
    other = float(step.handle_unknown == "infrequent_if_exist")
    columns, tables = [], []
    for column, categories in enumerate(step.categories_):
        groups = step._default_to_infrequent_mappings[column]
        places = np.arange(len(categories)) if groups is None else groups
        count = int(places.max()) + 1
        for place in range(count):
            if drops is not None and drops[column] == place:
                continue
            is_rest = groups is not None and place == count - 1
            values = (places == place).astype(np.float64)
            columns.append(column)
            tables.append(
                _table(categories, values, block.texts[column], other if is_rest else 0.0)
            )
    return target.look_up(block.choose(columns), tables)


def _target_encoder(target: Target[C], step: Any, block: C) -> C:
    """The mean of the target for each category; for several classes the share of each."""
    means = np.ravel(step.target_mean_)
    columns, tables = [], []
    for place, values in enumerate(step.encodings_):
        column = place // len(means)
        columns.append(column)
        mean = float(means[place % len(means)])
        tables.append(_table(step.categories_[column], values, block.texts[column], mean))
    return target.look_up(block.choose(columns), tables)


def _table(categories: Any, values: Any, text: Vocabulary | None, other: float) -> Table:
    """The values of ``categories``. As in ``_one_hot``, a null is NaN if that is a category, else
    None."""
    knows_nan = any(_is_nan(category) for category in categories)
    found: dict[float, float] = {}
    missing = other
    for category, value in zip(categories, values, strict=True):
        if _is_nan(category) or (category is None and not knows_nan):
            missing = float(value)
        elif category is not None:
            found[_code(category, text)] = float(value)
    keys = sorted(found)
    return Table(keys, [found[key] for key in keys], missing, other)


def _terms(target: Target[C], step: Any, block: C) -> C:
    require(all(text is not None for text in block.texts), "TextEncoder on numbers has no terms.")
    return target.weigh_terms(block, list(zip(step.terms_, step.idf_, strict=True)))


def _tfidf(target: Target[C], step: Any, block: C) -> C:
    require(
        all(text is not None for text in block.texts) and len(block) == 1,
        "TfidfVectorizer takes one column of texts.",
    )
    params = step.get_params()
    other = [name for name, value in _TFIDF.items() if params[name] != value]
    require(not other, f"TfidfVectorizer with another {', '.join(other)} than by default.")
    terms = sorted(step.vocabulary_, key=step.vocabulary_.get)
    require(
        " ".join(terms).split() == terms and all(term == term.lower() for term in terms),
        "TfidfVectorizer has terms with blanks or capitals.",
    )
    return target.weigh_terms(block, [(" ".join(terms), step.idf_)])


def _bands(target: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    lows, highs = list(step.edges[:-1]), list(step.edges[1:])
    # The first band is closed on the left too: greater than the next smaller number is >= the edge.
    lows[0] = nextafter(lows[0], -inf)
    repeated = block.choose([column for column in range(len(block)) for _ in lows])
    return target.between(repeated, lows * len(block), highs * len(block))


def _signed_log(target: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    return target.signed_log(block)


def _dates(target: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    features = []
    for column, names in enumerate(step.parts_):
        dates = block.choose([column])
        if not isnan(step.fill_[column]):
            dates = target.fill(dates, [float(step.fill_[column])])
        first = float(step.data_min_[column])
        features += [_date_feature(target, dates, name, first) for name in names]
    return target.concat(features)


def _date_feature(target: Target[C], dates: C, name: str, first: float) -> C:
    from registry.preprocessing import DAY_SECONDS, DAYS, angle_of

    if name == DAYS:
        return target.divide(target.subtract(dates, [first]), [DAY_SECONDS])
    part, _, wave = name.partition("_")
    found = target.date_part(dates, cast("CalendarPart", part))
    if not wave:
        return found
    angles = target.multiply(found, [angle_of(part)])
    return target.sine(angles) if wave == "sin" else target.cosine(angles)


def _binarizer(target: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    # Not skl2onnx: it puts a number that equals the threshold above it.
    return target.between(block, [float(step.threshold)] * len(block), [inf] * len(block))


def _normalizer(target: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    return target.normalize(block, step.norm)


def _selection(_: Target[C], step: Any, block: C) -> C:
    _require_numbers(step, block)
    return block.choose(np.flatnonzero(step.get_support()).tolist())


def _code(value: Any, text: Vocabulary | None) -> float:
    """The number of a category or a fill value: NaN for a missing one."""
    if _is_nan(value):
        return nan
    if text is None:
        require(
            isinstance(value, int | float | np.number | np.bool),
            f"A column of numbers has the category or fill value {str(value)[:50]!r}.",
        )
        return float(value)
    if value is None:
        return _NEVER
    require(isinstance(value, str), f"A column of texts has the category or fill value {value!r}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotConvertible("A category is not valid Unicode text.") from None
    return text.code(str(value))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _require_numbers(step: Any, block: Columns) -> None:
    require(
        not any(text is not None for text in block.texts),
        f"{type(step).__name__} on a column of texts has no ONNX form here.",
    )


_CONVERTERS: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    **dict.fromkeys(
        (
            *(
                "GenericUnivariateSelect",
                "RFE",
                "RFECV",
                "SelectFdr",
                "SelectFpr",
                "SelectFromModel",
            ),
            *("SelectFwe", "SelectKBest", "SelectPercentile", "SequentialFeatureSelector"),
            "VarianceThreshold",
        ),
        _selection,
    ),
    "BandEncoder": _bands,
    "Binarizer": _binarizer,
    "ColumnTransformer": _columns,
    "DateEncoder": _dates,
    "FeatureUnion": _union,
    "FunctionTransformer": _identity,
    "OneHotEncoder": _one_hot,
    "MaxAbsScaler": _max_abs_scaler,
    "MinMaxScaler": _min_max_scaler,
    "Normalizer": _normalizer,
    "Pipeline": _pipeline,
    "RobustScaler": _robust_scaler,
    "SignedLog": _signed_log,
    "SimpleImputer": _imputer,
    "StandardScaler": _standard_scaler,
    "TargetEncoder": _target_encoder,
    "TextEncoder": _terms,
    "TfidfVectorizer": _tfidf,
}
