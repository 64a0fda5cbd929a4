"""Signatures as untrusted JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import MetadataRefused
from registry.signature import (
    COLUMN_TYPES,
    MAX_COLUMNS,
    OUTPUT_TYPES,
    Column,
    Output,
    Signature,
    label_text,
)
from tests.factories import MIXED, NUMBERS

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
_names = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=8)
_columns = st.builds(Column, _names, st.sampled_from(COLUMN_TYPES), st.booleans())
_outputs = st.builds(
    Output,
    _names,
    st.sampled_from(OUTPUT_TYPES),
    st.none() | st.lists(st.text() | st.integers() | st.booleans(), min_size=1).map(tuple),
)


@given(
    st.builds(
        Signature,
        st.lists(_columns, min_size=1, unique_by=lambda column: column.name).map(tuple),
        _outputs,
    )
)
def test_a_signature_can_be_restored_from_its_json(signature):
    assert Signature.from_json(signature.to_json()) == signature


def test_the_json_matches_the_contract():
    assert MIXED.to_json() == {
        "inputs": [
            {"name": "age", "type": "number", "nullable": True},
            {"name": "visits", "type": "integer", "nullable": False},
            {"name": "member", "type": "boolean", "nullable": False},
            {"name": "city", "type": "string", "nullable": True},
        ],
        "output": {"name": "spends", "type": "boolean", "classes": [False, True]},
    }
    assert "classes" not in NUMBERS.to_json()["output"]


def test_classes_make_it_a_classification():
    assert (MIXED.task, NUMBERS.task) == ("classification", "regression")


def test_a_date_is_an_input_and_no_output():
    said = {
        "inputs": [{"name": "sold", "type": "date"}],
        "output": {"name": "delivered", "type": "date"},
    }

    with pytest.raises(MetadataRefused) as refused:
        Signature.from_json(said)

    assert [str(fault.at) for fault in refused.value.faults] == ["signature.output.type"]


def test_nullable_defaults_to_false():
    said = {"inputs": [{"name": "a", "type": "number"}], "output": NUMBERS.to_json()["output"]}

    assert Signature.from_json(said).inputs == (Column("a", "number", nullable=False),)


@given(_json | st.fixed_dictionaries({"inputs": _json, "output": _json}))
def test_any_other_json_is_refused_without_another_error(value):
    with pytest.raises(MetadataRefused) as refused:
        Signature.from_json(value)

    assert all(fault.at.startswith("signature") for fault in refused.value.faults)


def _with(**changes):
    return {**NUMBERS.to_json(), **changes}


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (None, "signature"),
        (_with(inputs=[]), "signature.inputs"),
        (_with(inputs="ab"), "signature.inputs"),
        (_with(inputs=[{"name": "a", "type": "number"}] * 2), "signature.inputs[1].name"),
        (_with(inputs=[{"name": "", "type": "number"}]), "signature.inputs[0].name"),
        (_with(inputs=[{"name": "x" * 1001, "type": "number"}]), "signature.inputs[0].name"),
        (_with(inputs=[{"name": "a", "type": "float"}]), "signature.inputs[0].type"),
        (_with(inputs=[{"name": "a", "type": ["number"]}]), "signature.inputs[0].type"),
        (
            _with(inputs=[{"name": "a", "type": "number", "nullable": 1}]),
            "signature.inputs[0].nullable",
        ),
        (_with(inputs=[{"name": "a", "type": "number", "unit": "m"}]), "signature.inputs[0].unit"),
        (_with(inputs=[{"name": "a", "type": "number"}] * (MAX_COLUMNS + 1)), "signature.inputs"),
        (_with(output=[]), "signature.output"),
        (_with(output={"name": "y", "type": "number", "classes": []}), "signature.output.classes"),
        (
            _with(output={"name": "y", "type": "number", "classes": [None]}),
            "signature.output.classes",
        ),
        (_with(extra=1), "signature.extra"),
    ],
)
def test_a_fault_is_named_by_its_place(value, at):
    with pytest.raises(MetadataRefused) as refused:
        Signature.from_json(value)

    assert at in [fault.at for fault in refused.value.faults]


def test_all_faults_are_reported_at_once():
    with pytest.raises(MetadataRefused) as refused:
        Signature.from_json({"inputs": [{"name": 1, "type": "x"}, 5], "output": {"classes": 3}})

    assert [fault.at for fault in refused.value.faults] == [
        "signature.inputs[0].name",
        "signature.inputs[0].type",
        "signature.inputs[1]",
        "signature.output.name",
        "signature.output.type",
        "signature.output.classes",
    ]


@pytest.mark.parametrize(
    ("label", "text"), [(True, "true"), (False, "false"), (1, "1"), (1.5, "1.5"), ("x", "x")]
)
def test_a_class_label_as_a_key_of_json(label, text):
    assert label_text(label) == text


def test_a_column_s_name_with_a_nul_is_refused():
    said = {
        "inputs": [{"name": "a\0b", "type": "number"}],
        "output": {"name": "y", "type": "number"},
    }
    with pytest.raises(MetadataRefused) as refused:
        Signature.from_json(said)

    assert [fault.at for fault in refused.value.faults] == ["signature.inputs[0].name"]
