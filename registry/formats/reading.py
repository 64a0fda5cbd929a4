"""Reads an artifact into a model, whatever its format, through the allow-list."""

from pathlib import PurePath
from typing import Any, BinaryIO, Literal, get_args

from registry.errors import ArtifactRefused, FormatUnsupported, shown

Format = Literal["skops", "joblib", "onnx", "xgboost", "lightgbm"]
FORMATS: tuple[Format, ...] = get_args(Format)
BOOSTERS: frozenset[Format] = frozenset({"xgboost", "lightgbm"})
"""The formats of libraries of boosted trees, which ``registry.intake.boosting`` reads."""
_EXTENSIONS: dict[str, Format] = {
    ".joblib": "joblib",
    ".onnx": "onnx",
    ".pickle": "joblib",
    ".pkl": "joblib",
    ".skops": "skops",
    ".ubj": "xgboost",
}
"""A pickle is a joblib file without arrays beside it."""


def parse_format(name: str) -> Format:
    """Raises FormatUnsupported."""
    for known in FORMATS:
        if name == known:
            return known
    raise FormatUnsupported(
        f"The format {shown(name)} is not supported; send one of {', '.join(FORMATS)}."
    )


def format_of_filename(filename: str) -> Format:
    """The format by the extension of a file's name.

    Raises FormatUnsupported.
    """
    extension = PurePath(filename).suffix.lower()
    if extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    raise FormatUnsupported(
        f"The extension of {shown(filename)} is not a known format. Set 'format' in the metadata "
        f"to one of {', '.join(FORMATS)}."
    )


def read_model(file: BinaryIO, format_: Format) -> Any:
    """The fitted scikit-learn estimator in ``file``, a seekable stream at its start.

    Raises ArtifactRefused where the bytes are not of that format, name anything that is not
    allowed, or have a structure that is not safe to predict with. ``registry.intake.onnx_upload``
    reads ONNX files.
    """
    if format_ == "onnx" or format_ in BOOSTERS:
        raise ArtifactRefused(f"A file of the format {format_} contains no scikit-learn model.")
    # A worker uses the names of formats but reads no model, so it does not import what reads one.
    from registry.formats.structure import check_structure

    if format_ == "skops":
        from registry.formats.skops_format import read_skops

        model = read_skops(file)
    else:
        from registry.formats.joblib_format import read_joblib

        model = read_joblib(file)
    check_structure(model)
    return model
