"""The memory layout that scikit-learn uses for the input of a model's last estimator."""

import warnings
from typing import Any

from registry.engines.linear_file import Layout
from registry.intake.conversion.target import require


def features_layout(model: Any, rows: Any) -> Layout:
    """The layout of the features that ``model`` computes from ``rows``, at least two of them.

    It depends on the steps and on whether ``rows`` are a DataFrame or an array, not on their
    values. Raises NotConvertible where they are float32, and whatever a step raises.
    """
    from scipy.sparse import issparse
    from sklearn.utils.validation import check_array

    made = check_array(features_of(model, rows), accept_sparse=True, ensure_all_finite=False)
    require(
        made.dtype.kind != "f" or made.dtype.itemsize == 8,
        f"Its features are {made.dtype}, and scikit-learn computes in that type; the compiled form "
        "computes in float64.",
    )
    if issparse(made):
        return "sparse"
    # numpy casts integers to float64 in C order before it multiplies.
    return "C" if made.dtype.kind != "f" or made.flags.c_contiguous else "F"


def features_of(model: Any, rows: Any) -> Any:
    """What the last estimator of ``model`` gets for ``rows``. Raises whatever a step raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # for example of unknown categories
        while hasattr(model, "steps"):
            for _, step in model.steps[:-1]:
                if step is not None and not isinstance(step, str):  # both mean passthrough
                    rows = step.transform(rows)
            model = model.steps[-1][1]
    return rows
