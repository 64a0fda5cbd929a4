"""How scikit-learn lays out in memory what a model's last estimator is given."""

import warnings
from typing import Any

from registry.engines.linear_file import Layout
from registry.intake.conversion.target import require


def features_layout(model: Any, rows: Any) -> Layout:
    """The layout of the features that ``model`` makes of ``rows``, more than one of them.

    It follows from the steps and from whether ``rows`` are a frame or an array, not from their
    values. Raises NotConvertible where they are float32, and whatever a step raises.
    """
    from scipy.sparse import issparse
    from sklearn.utils.validation import check_array

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of unknown categories, say
        while hasattr(model, "steps"):
            for _, step in model.steps[:-1]:
                if step is not None and not isinstance(step, str):  # both mean passthrough
                    rows = step.transform(rows)
            model = model.steps[-1][1]
    made = check_array(rows, accept_sparse=True, ensure_all_finite=False)
    require(
        made.dtype.kind != "f" or made.dtype.itemsize == 8,
        f"Its features are {made.dtype}, and scikit-learn adds them up as such; "
        "the compiled form adds up in float64.",
    )
    if issparse(made):
        return "sparse"
    # numpy casts whole numbers to float64 in C order before it multiplies.
    return "C" if made.dtype.kind != "f" or made.flags.c_contiguous else "F"
