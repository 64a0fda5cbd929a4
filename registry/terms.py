"""The terms of texts and their weights, as scikit-learn's TfidfVectorizer has them by default.

Terms are runs of two or more word characters in lower case. The weight of a term is the number of
times that it occurs times its inverse document frequency; the weights of a text are divided by
their Euclidean norm.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import sqrt
from typing import Any

_TERM = re.compile(r"\b\w\w+\b")
_FOUND_AT_ONCE = 2**16
"""Characters; longer texts are searched term by term, so that other threads can run in between."""


@lru_cache(maxsize=16)
def places_of(terms: str) -> Mapping[str, int]:
    """The place of each of ``terms``, which are separated by blanks."""
    return {term: place for place, term in enumerate(terms.split())}


def weights(
    text: str, places: Mapping[str, int], idf: Sequence[float]
) -> tuple[list[int], list[float]]:
    """The places of the known terms in ``text``, ascending, and their weights.

    ``idf``: the inverse document frequency of each term by its place.
    """
    counts: Counter[Any] = Counter(map(places.get, _terms(text.lower())))
    counts.pop(None, None)
    known = sorted(counts.items())
    found = [count * idf[place] for place, count in known]
    total = 0.0
    for weight in found:
        total += weight * weight
    norm = sqrt(total) or 1.0
    return [place for place, _ in known], [weight / norm for weight in found]


def _terms(text: str) -> Iterable[str]:
    if len(text) <= _FOUND_AT_ONCE:
        return _TERM.findall(text)
    return (found.group() for found in _TERM.finditer(text))
