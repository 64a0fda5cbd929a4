"""The parts of a message between the server and the intake, whole, cut off or made up."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.intake.wire import END, pack, unpack
from registry.intake.zygote import completed

PARTS = [b"{}", b"\0" * 300, b"x"]
WHOLE = pack(PARTS) + END


def test_parts_come_back():
    assert unpack(WHOLE) == (PARTS, True)


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_message_that_is_cut_off_is_never_complete(cut):
    parts, complete = unpack(WHOLE[:cut])

    assert not complete
    assert parts == PARTS[: len(parts)]


def test_bytes_after_the_end_are_no_message():
    assert unpack(WHOLE + b"x") == (PARTS, False)


@given(st.binary(max_size=60))
def test_whatever_is_sent_is_taken_apart_without_an_error(message):
    parts, complete = unpack(message)

    assert not complete or message == pack(parts) + END


def said(answer):
    parts, complete = unpack(answer)
    assert complete
    return [json.loads(part) for part in parts]


def test_a_child_that_dies_while_it_compiles_has_said_what_the_model_is():
    found = b'{"inspection": {}}'

    assert said(completed(pack([found]) + b"\0\0\1", "ended (SIGSEGV)")) == [
        {"inspection": {}},
        {
            "engine": {"name": "scikit-learn", "reason": "Its compilation ended (SIGSEGV)."},
            "compiled": [],
        },
    ]


@pytest.mark.parametrize("answer", [b"", b"\0\0", pack([b"{}"])[:-1]])
def test_a_child_that_dies_before_that_has_refused_the_artifact(answer):
    (refusal,) = said(completed(answer, "took over 1 s"))

    assert refusal["error"] == "ArtifactRefused"
    assert refusal["detail"] == "Its inspection took over 1 s."
