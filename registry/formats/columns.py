"""Checks the indices and counts of the columns that a transformer takes and returns."""

from typing import Any

import numpy as np

from registry.dates import FIRST, LAST
from registry.errors import ArtifactRefused
from registry.formats.kept_values import chosen_columns
from registry.formats.shapes import MAX_WIDTH, is_count


def check_column_transformer(transformer: Any) -> None:
    """Raises ArtifactRefused unless a ColumnTransformer's choices are among its columns."""
    own = vars(transformer)
    width, parts = own.get("n_features_in_"), own.get("transformers_")
    if not is_count(width) or type(parts) is not list:
        raise ArtifactRefused("ColumnTransformer is not fitted.")
    for part in parts:
        if type(part) is not tuple or len(part) != 3 or type(part[0]) is not str:
            raise ArtifactRefused("ColumnTransformer has a part without a name and columns.")
        try:
            chosen_columns(transformer, part[2], list(range(width)))
        except (IndexError, TypeError, ValueError) as error:
            raise ArtifactRefused(
                f"ColumnTransformer chooses columns that are not among its {width}."
            ) from error
    positions = own.get("_transformer_to_input_indices", {})
    if type(positions) is not dict or not all(
        type(chosen) is list and all(is_count(each) and 0 <= each < width for each in chosen)
        for chosen in positions.values()
    ):
        raise ArtifactRefused(f"ColumnTransformer chooses columns that are not among its {width}.")
    outputs = own.get("output_indices_", {})
    if type(outputs) is not dict or not all(map(_is_run, outputs.values())):
        raise ArtifactRefused(
            f"ColumnTransformer has 'output_indices_' beyond {MAX_WIDTH} columns."
        )


def check_selection(selector: Any) -> None:
    """Raises ArtifactRefused unless a selector's ``support_`` is a mask."""
    mask = vars(selector).get("support_")
    if not isinstance(mask, np.ndarray) or mask.dtype != bool:
        raise ArtifactRefused(f"{type(selector).__name__} does not have a mask of its columns.")


def check_missing_indicator(indicator: Any) -> None:
    """Raises ArtifactRefused unless a MissingIndicator's features are among its columns."""
    own = vars(indicator)
    features, width = own.get("features_"), own.get("_n_features")
    if (
        not isinstance(features, np.ndarray)
        or features.ndim != 1
        or features.dtype.kind != "i"
        or not is_count(width)
        or (features < 0).any()
        or (features >= width).any()
    ):
        raise ArtifactRefused("MissingIndicator has 'features_' that are not among its columns.")


def check_polynomials(transformer: Any) -> None:
    """Raises ArtifactRefused unless the counts of PolynomialFeatures follow from its parameters.

    It allocates ``_n_out_full`` columns and fills one for each product.
    """
    own = vars(transformer)
    low, high, features = (own.get(key) for key in ("_min_degree", "_max_degree", "n_features_in_"))
    if not all(map(is_count, (low, high, features))) or not 0 <= low <= high:
        raise ArtifactRefused("PolynomialFeatures does not state its degrees.")
    bias, distinct = bool(own.get("include_bias")), bool(own.get("interaction_only"))
    full = selected = int(bias)
    products = 1  # of ``degree`` features
    for degree in range(1, (min(high, features) if distinct else high) + 1):
        choices = features - degree + 1 if distinct else features + degree - 1
        products = products * choices // degree
        full += products
        selected += products if degree >= low else 0
        if full > MAX_WIDTH:
            raise ArtifactRefused(f"PolynomialFeatures returns more than {MAX_WIDTH} columns.")
    if own.get("_n_out_full") != full or own.get("n_output_features_") != selected:
        raise ArtifactRefused(
            f"PolynomialFeatures does not state that it returns {selected} columns of {full}."
        )


def check_band_encoder(encoder: Any) -> None:
    """Raises ArtifactRefused unless a BandEncoder has ascending edges and a label for each band."""
    from registry.preprocessing import check_bands

    try:
        check_bands(encoder.edges, encoder.labels)
    except (TypeError, ValueError) as error:
        raise ArtifactRefused(f"BandEncoder is invalid: {error}") from error


def check_date_encoder(encoder: Any) -> None:
    """Raises ArtifactRefused unless a DateEncoder has known features for each of its columns."""
    from registry.preprocessing import date_features

    own, known = vars(encoder), date_features()
    parts, width = own.get("parts_"), own.get("n_features_in_")
    if (
        type(parts) is not list
        or len(parts) != width
        or not all(
            type(names) is list and names and len(set(names)) == len(names) and known >= set(names)
            for names in parts
        )
    ):
        raise ArtifactRefused("DateEncoder has 'parts_' that are not features of its columns.")
    for key in ("data_min_", "data_max_", "fill_"):
        moments = np.asarray(own.get(key))
        if (
            moments.dtype != np.float64
            or not (np.isnan(moments) | ((moments >= FIRST) & (moments <= LAST))).all()
        ):
            raise ArtifactRefused(f"DateEncoder has '{key}' that are not dates.")


def _is_run(value: Any) -> bool:
    return (
        type(value) is slice
        and is_count(value.start)
        and is_count(value.stop)
        and 0 <= value.start <= value.stop <= MAX_WIDTH
        and value.step is None
    )
