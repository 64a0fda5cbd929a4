"""Whether whoever calls the champion can call the candidate."""

import pytest

from registry.gates.compatibility import incompatibilities
from registry.signature import Column, Output, Signature


def signature(*columns, classes=None):
    return Signature(columns, Output("y", "number" if classes is None else "string", classes))


NUMBER = Column("a", "number")


@pytest.mark.parametrize(
    ("candidate", "champion"),
    [
        (signature(NUMBER), signature(NUMBER)),
        (signature(NUMBER), signature(NUMBER, Column("b", "string"))),
        (signature(NUMBER), signature(Column("a", "integer"))),
        (signature(Column("a", "number", nullable=True)), signature(NUMBER)),
        (signature(NUMBER, classes=("x", "y")), signature(NUMBER, classes=("y", "x"))),
    ],
)
def test_fewer_requirements_are_compatible(candidate, champion):
    assert list(incompatibilities(candidate, champion)) == []


@pytest.mark.parametrize(
    ("candidate", "champion", "says"),
    [
        (signature(NUMBER, Column("b", "string")), signature(NUMBER), "'b' is new and required"),
        (
            signature(NUMBER, Column("b", "string", nullable=True)),
            signature(NUMBER),
            "'b' is new and required",
        ),
        (
            signature(Column("b", "string"), NUMBER),
            signature(NUMBER, Column("b", "string")),
            "in another order",
        ),
        (signature(Column("a", "integer")), signature(NUMBER), "takes integer, it took number"),
        (signature(Column("a", "string")), signature(NUMBER), "takes string, it took number"),
        (signature(NUMBER), signature(Column("a", "boolean")), "takes number, it took boolean"),
        (
            signature(NUMBER),
            signature(Column("a", "number", nullable=True)),
            "may no longer be null",
        ),
        (
            signature(NUMBER, classes=("x", "z")),
            signature(NUMBER, classes=("x", "y")),
            "the class 'z' is new; the class 'y' is gone",
        ),
        (
            signature(NUMBER, classes=(1, 0)),
            signature(NUMBER, classes=(True, False)),
            "the class 0 is new",
        ),
        (
            signature(NUMBER, classes=("x", "y")),
            signature(NUMBER),
            "it is a classification, the champion a regression",
        ),
    ],
)
def test_incompatibilities_are_named(candidate, champion, says):
    assert says in "; ".join(incompatibilities(candidate, champion))
