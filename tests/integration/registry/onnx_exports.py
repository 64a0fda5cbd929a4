"""ONNX files as the users of skl2onnx make them."""

import warnings


def exported(estimator, *, zipmap=False):
    """The ONNX file that skl2onnx makes, as its users do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (DeprecationWarning, FutureWarning))
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType

        given = [("X", FloatTensorType([None, 3]))]
        if hasattr(estimator, "feature_names_in_"):
            given = [
                (
                    name,
                    StringTensorType([None, 1]) if name == "city" else FloatTensorType([None, 1]),
                )
                for name in estimator.feature_names_in_
            ]
        options = {id(estimator): {"zipmap": zipmap}} if hasattr(estimator, "classes_") else None
        return convert_sklearn(estimator, initial_types=given, options=options, target_opset=18)
