"""Sparse matrices that do not fit themselves or their estimator, whose indices are followed."""

import io
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC, SVR

from tests.attacks.attack import Attack
from tests.attacks.opcodes import written

_draws = np.random.default_rng(5)
X = np.round(_draws.normal(size=(40, 4)), 2) * (_draws.random((40, 4)) < 0.7)
TWO = np.arange(40) % 2
BEYOND = 10**6

Change = Callable[[Any], None]


def _fitted(model: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(csr_matrix(X), TWO)


def _set(part: str, place: int, value: Any) -> Change:
    def change(matrix: Any) -> None:
        getattr(matrix, part)[place] = value

    return change


def _replace(**parts: Any) -> Change:
    return lambda matrix: vars(matrix).update(parts)


def _cut(part: str) -> Change:
    return lambda matrix: vars(matrix).update({part: getattr(matrix, part)[:-1].copy()})


def _as(part: str, kind: Any) -> Change:
    return lambda matrix: vars(matrix).update({part: getattr(matrix, part).astype(kind)})


DAMAGE: dict[str, Change] = {
    "an entry beyond the columns": _set("indices", 0, BEYOND),
    "an entry before the columns": _set("indices", 0, -BEYOND),
    "a last row beyond the entries": _set("indptr", -1, BEYOND),
    "a row beyond the entries": _set("indptr", 1, BEYOND),
    "a first row that does not begin": _set("indptr", 0, -BEYOND),
    "a row less than it states": _cut("indptr"),
    "a value less than entries": _cut("data"),
    "an entry less than values": _cut("indices"),
    "a value that is not finite": _set("data", 0, np.inf),
    "values of half precision": _as("data", np.float16),
    "values that are complex": _as("data", np.complex128),
    "entries of 64 bits": _as("indices", np.int64),
    "entries in two dimensions": lambda matrix: _replace(indices=matrix.indices[None])(matrix),
    "more columns than the estimator": _replace(_shape=(40, BEYOND)),
    "more rows than it has": _replace(_shape=(BEYOND, 4)),
    "values that are objects": lambda matrix: _replace(data=matrix.data.astype(object))(matrix),
}


def _machine(change: Change, key: str = "support_vectors_") -> SVC:
    model = _fitted(SVC())
    change(getattr(model, key))
    return model


def _neighbors(change: Change) -> KNeighborsClassifier:
    model = _fitted(KNeighborsClassifier())
    change(model._fit_X)
    return model


def _kernel(change: Change) -> Pipeline:
    model = _fitted(make_pipeline(Nystroem(n_components=5), SGDClassifier()))
    change(model[0].components_)
    return model


def _with(model: Any, **changes: Any) -> Any:
    vars(_fitted(model)).update(changes)
    return model


def _backwards(matrix: Any) -> None:
    """The entries of each row in descending order."""
    for start, end in zip(matrix.indptr, matrix.indptr[1:], strict=False):
        matrix.indices[start:end] = matrix.indices[start:end][::-1]
        matrix.data[start:end] = matrix.data[start:end][::-1]


def _weights(rows: int, columns: int) -> Any:
    return csr_matrix(np.ones((rows, columns)))


HOSTILE: dict[str, Callable[[], Any]] = {
    **{
        f"{name} in {what}": lambda make=make, change=change: make(change)
        for name, change in DAMAGE.items()
        for what, make in (
            ("support vectors", _machine),
            ("neighbors", _neighbors),
            ("components", _kernel),
        )
    },
    "support vectors in another order": lambda: _machine(_backwards),
    "weights beyond the support vectors": lambda: _machine(
        _set("indices", 0, BEYOND), "_dual_coef_"
    ),
    "weights with gaps": lambda: _machine(
        lambda matrix: vars(matrix).update(vars(csr_matrix(np.eye(*matrix.shape)))), "_dual_coef_"
    ),
    "weights of another shape": lambda: _with(SVC(), _dual_coef_=_weights(1, 3)),
    "more support vectors than weights": lambda: _with(SVR(), support_vectors_=_weights(90, 4)),
    "support vectors that are dense": lambda: _with(SVC(), support_vectors_=np.ones((40, 4))),
    "support vectors that are sparse unexpectedly": lambda: _with(SVC(), _sparse=False),
    "support vectors by columns": lambda: _with(SVC(), support_vectors_=csc_matrix(X)),
    "wrong counts of support vectors": lambda: _with(
        SVC(), _n_support=np.array([BEYOND, BEYOND], np.int32)
    ),
    "neighbors in a tree": lambda: _with(KNeighborsClassifier(), _fit_method="kd_tree"),
    "fewer labels than neighbors": lambda: _with(KNeighborsClassifier(), _y=np.zeros(3, int)),
    "weights of a linear model": lambda: _with(SGDClassifier(), coef_=_weights(1, 4)),
}


def _saved(change: Callable[[dict[str, bytes]], None]) -> bytes:
    """A skops file whose sparse matrices are changed in scipy's own files."""
    out = io.BytesIO()
    content = io.BytesIO(written(_fitted(SVC()), "skops"))
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            inner = old.read(name)
            new.writestr(name, _changed(inner, change) if name.endswith(".npz") else inner)
    return out.getvalue()


def _changed(content: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


def _array(cells: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, cells)
    return out.getvalue()


SAVED: dict[str, Callable[[dict[str, bytes]], None]] = {
    "a matrix of 300 MB in 300 kB": lambda parts: parts.update(
        {"data.npy": _array(np.zeros(300 * 2**17))}
    ),
    "a matrix with a part more": lambda parts: parts.update({"more.npy": _array(np.zeros(3))}),
    "a matrix without its shape": lambda parts: parts.pop("shape.npy") and None,
    "a matrix of pickled objects": lambda parts: parts.update(
        {"data.npy": _array(np.array([print, None], dtype=object))}
    ),
    "a matrix of another format": lambda parts: parts.update({"format.npy": _array(b"dia")}),
    "a matrix of several formats": lambda parts: parts.update(
        {"format.npy": _array(np.array([b"csr", b"csr"]))}
    ),
    "a matrix of a longer array than there is": lambda parts: parts.update(
        {"data.npy": parts["data.npy"][:-8]}
    ),
    "a matrix of a shape with three lengths": lambda parts: parts.update(
        {"shape.npy": _array(np.array([40, 4, 4]))}
    ),
}

ATTACKS = [
    *(
        Attack(
            name,
            format_,
            lambda c, make=make, format_=format_: written(make(), format_),
            # scipy makes them smaller.
            harmless="64 bits" in name,
        )
        for name, make in HOSTILE.items()
        for format_ in ("joblib", "skops")
        if format_ == "joblib" or "objects" not in name  # which scipy does not save
    ),
    *(
        Attack(name, "skops", lambda c, change=change: _saved(change))
        for name, change in SAVED.items()
    ),
]
