"""Encoders as operations of a target: categories, bands, dates and texts as numbers.

As in ``registry.intake.conversion.transformers``, each converter takes the fitted step and its
input block of columns, and returns its output block.
"""

from collections.abc import Mapping
from math import inf, isnan, nan, nextafter
from typing import Any, cast

import numpy as np

from registry.dates import CalendarPart
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


def one_hot(target: Target[C], step: Any, block: C) -> C:
    """A column of 0 and 1 for each category of a OneHotEncoder. Raises NotConvertible."""
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
        kept = [code for at, code in enumerate(_codes(categories, text)) if at != drops[column]]
        positions += [column] * len(kept)
        codes += kept
    return target.equals(block.choose(positions), codes)


def _codes(categories: Any, text: Vocabulary | None) -> list[float]:
    """The number of each of ``categories``. The encoder gets a null as None, unless it was fitted
    with NaN."""
    knows_nan = any(_is_nan(category) for category in categories)
    return [
        nan if category is None and not knows_nan else code(category, text)
        for category in categories
    ]


def _grouped_one_hot(target: Target[C], step: Any, block: C) -> C:
    """A column of 0 and 1 for each frequent category, and one for all infrequent ones."""
    drops = step._drop_idx_after_grouping
    other = float(step.handle_unknown == "infrequent_if_exist")
    made = []
    for column, categories in enumerate(step.categories_):
        groups = step._default_to_infrequent_mappings[column]
        places = np.arange(len(categories)) if groups is None else groups
        count = int(places.max()) + 1
        rest = -1 if groups is None else count - 1
        kept = [place for place in range(count) if drops is None or drops[column] != place]
        frequent = [int(np.flatnonzero(places == place)[0]) for place in kept if place != rest]
        codes = _codes(categories, block.texts[column])
        made.append(
            target.equals(block.choose([column] * len(frequent)), [codes[at] for at in frequent])
        )
        if rest in kept:
            values = (places == rest).astype(np.float64)
            table = _table(categories, values, block.texts[column], other)
            made.append(target.look_up(block.choose([column]), [table]))
    return target.concat(made)


def ordinal(target: Target[C], step: Any, block: C) -> C:
    """The place of each category of an OrdinalEncoder. Raises NotConvertible."""
    require(
        step.handle_unknown == "use_encoded_value",
        "OrdinalEncoder(handle_unknown='error') refuses unknown categories, which a compiled form "
        "cannot: fit it with 'use_encoded_value'.",
    )
    require(
        not getattr(step, "_infrequent_enabled", False),
        "An OrdinalEncoder that groups infrequent categories has no compiled form.",
    )
    unknown, missing = float(step.unknown_value), float(step.encoded_missing_value)
    tables = [
        _table(
            categories,
            [missing if _is_nan(each) else place for place, each in enumerate(categories)],
            text,
            unknown,
        )
        for categories, text in zip(step.categories_, block.texts, strict=True)
    ]
    return target.look_up(block, tables)


def target_encoder(target: Target[C], step: Any, block: C) -> C:
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
    """The values of ``categories``, and ``other`` for what is not among them."""
    found: dict[float, float] = {}
    missing = other
    for key, value in zip(_codes(categories, text), values, strict=True):
        if isnan(key):
            missing = float(value)
        elif text is None or key != _NEVER:
            found[key] = float(value)
    keys = sorted(found)
    return Table(keys, [found[key] for key in keys], missing, other)


def text_terms(target: Target[C], step: Any, block: C) -> C:
    """The terms of a TextEncoder. Raises NotConvertible."""
    require(all(text is not None for text in block.texts), "TextEncoder on numbers has no terms.")
    return target.weigh_terms(block, list(zip(step.terms_, step.idf_, strict=True)))


def tfidf_terms(target: Target[C], step: Any, block: C) -> C:
    """The terms of a TfidfVectorizer. Raises NotConvertible."""
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


def bands(target: Target[C], step: Any, block: C) -> C:
    """The columns of a BandEncoder. Raises NotConvertible."""
    require_numbers(step, block)
    lows, highs = list(step.edges[:-1]), list(step.edges[1:])
    # The first band is closed on the left too: greater than the next smaller number is >= the edge.
    lows[0] = nextafter(lows[0], -inf)
    repeated = block.choose([column for column in range(len(block)) for _ in lows])
    return target.between(repeated, lows * len(block), highs * len(block))


def date_features(target: Target[C], step: Any, block: C) -> C:
    """The features of a DateEncoder. Raises NotConvertible."""
    require_numbers(step, block)
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


def code(value: Any, text: Vocabulary | None) -> float:
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


def require_numbers(step: Any, block: Columns) -> None:
    """Raises NotConvertible where ``step`` gets a column of texts."""
    require(
        not any(text is not None for text in block.texts),
        f"{type(step).__name__} on a column of texts has no ONNX form here.",
    )
