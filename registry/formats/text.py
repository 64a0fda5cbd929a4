"""Checks the steps that turn a text into numbers."""

from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.shapes import MAX_WIDTH, is_count


def check_vectorizer(vectorizer: Any) -> None:
    """Raises ArtifactRefused unless the terms of ``vectorizer`` are numbered from 0 on.

    The numbers are columns of a sparse matrix, whose indices compiled code does not check.
    """
    name, own = type(vectorizer).__name__, vars(vectorizer)
    terms = own.get("vocabulary_")
    if type(terms) is not dict or not terms:
        raise ArtifactRefused(f"{name} is not fitted.")
    if len(terms) > MAX_WIDTH:
        raise ArtifactRefused(f"{name} has {len(terms)} terms; at most {MAX_WIDTH} are allowed.")
    if (
        not all(isinstance(term, str) for term in terms)
        or not all(map(is_count, terms.values()))
        or sorted(map(int, terms.values())) != list(range(len(terms)))
    ):
        raise ArtifactRefused(
            f"{name} has a 'vocabulary_' that does not number its {len(terms)} terms from 0 on."
        )


def check_tfidf(vectorizer: Any) -> None:
    """Raises ArtifactRefused unless a TfidfVectorizer has weights for its own terms."""
    own = vars(vectorizer)
    weights, count = own.get("_tfidf"), len(own["vocabulary_"])
    if type(weights).__name__ != "TfidfTransformer" or vars(weights).get("n_features_in_") != count:
        raise ArtifactRefused(f"TfidfVectorizer has weights for other terms than its {count}.")


def check_weights_of_terms(transformer: Any) -> None:
    """Raises ArtifactRefused where a TfidfTransformer weighs terms by another array than idf_."""
    own = vars(transformer)
    if "_idf_diag" in own:
        raise ArtifactRefused(
            "TfidfTransformer was saved by scikit-learn 1.5 or earlier: save it again with a later "
            "release."
        )
    weights = own.get("idf_")
    if own.get("use_idf") and not (isinstance(weights, np.ndarray) and weights.dtype.kind == "f"):
        raise ArtifactRefused("TfidfTransformer is not fitted.")
