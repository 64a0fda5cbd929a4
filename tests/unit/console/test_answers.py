"""What is shown of a version's answer for one row."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from console.trying.answers import MOST_BARS, answer_of, difference_words
from registry.codecs.batch import build_batch
from registry.codecs.predictions import Predictions
from registry.engines.predictor import SklearnPredictor
from registry.signature import Column, Label, Output, Signature

INPUTS = (Column("x", "number"),)


def signature(type_="number", classes: tuple[Label, ...] | None = None, size: int | None = None):
    return Signature(INPUTS, Output("y", type_, classes, size))


def number(version: int, value: float):
    return answer_of(version, Predictions([value]), signature())


def label(version: int, value: Label):
    return answer_of(version, Predictions([value]), signature("string", ("a", "b")))


def test_a_number_keeps_its_digits_beside_what_is_shown() -> None:
    answer = number(3, 149696.71234)
    assert (answer.value, answer.text, answer.is_number) == (149696.71234, "149696.71234", True)


def test_labels_of_all_types_are_texts() -> None:
    for value, text in ((True, "true"), (2024, "2024"), ("yes", "yes")):
        answer = answer_of(1, Predictions([value]), signature("string", (value, "other")))
        assert (answer.text, answer.is_number) == (text, False)


def test_the_largest_probabilities_are_named_and_the_rest_are_others() -> None:
    classes = tuple(f"class {index}" for index in range(12))
    shares = np.array([[0.3, 0.2, 0.1, 0.1, 0.06, 0.06, 0.05, 0.04, 0.03, 0.02, 0.02, 0.02]])
    answer = answer_of(1, Predictions(["class 1"], shares), signature("string", classes))
    assert len(answer.shares) == MOST_BARS + 1
    assert [one.label for one in answer.shares if one.is_answer] == ["class 1"]
    assert answer.shares[-1].label == "4 others"
    assert answer.shares[-1].value == pytest.approx(0.09)
    assert sum(one.value for one in answer.shares) == pytest.approx(1)


def test_a_detector_has_a_score() -> None:
    rows = np.random.default_rng(4).normal(size=(60, 1))
    model = IsolationForest(n_estimators=3, random_state=0).fit(rows)
    takes = signature("integer", (-1, 1))
    predictor = SklearnPredictor(model, takes)
    batch = build_batch([[9.0]], takes, lambda _, column: column.name, single=True)
    assert predictor.scored is not None
    answer = answer_of(1, predictor.scored(batch), takes)
    assert answer.text == "-1"
    assert answer.score == model.decision_function([[9.0]])[0]


def test_an_output_that_is_a_list_has_places() -> None:
    answer = answer_of(1, Predictions([[1.5, 2.5]]), signature(size=2))
    assert (answer.places, answer.more_places) == ((1.5, 2.5), 0)
    longer = answer_of(1, Predictions([list(range(60))]), signature(size=60))
    assert (len(longer.places), longer.more_places) == (50, 10)


@pytest.mark.parametrize(
    ("answer", "other", "words"),
    [
        (number(3, 100.0), number(4, 99.1), "v4 says \N{MINUS SIGN}0.9 % against v3."),
        (number(3, -100.0), number(4, -99.0), "v4 says +1.0 % against v3."),
        (number(3, 0.0), number(4, 2.5), "v4 says 2.5 against 0 of v3."),
        (number(3, 5.0), number(4, 5.0), "v3 and v4 say the same."),
        (number(3, 5.0), number(4, 5.0001), "v4 differs by less than 0.1 % from v3."),
        (label(3, "a"), label(4, "a"), "v3 and v4 say the same."),
        (label(3, "a"), label(4, "b"), "v3 says a, v4 says b."),
        (number(3, 1.0), label(4, "b"), "v3 and v4 predict different things."),
    ],
)
def test_the_difference_is_in_words(answer, other, words) -> None:
    assert difference_words(answer, other) == words


def test_lists_differ_in_places() -> None:
    first = answer_of(1, Predictions([["a", "b"]]), signature("string", ("a", "b"), 2))
    second = answer_of(2, Predictions([["a", "a"]]), signature("string", ("a", "b"), 2))
    assert difference_words(first, second) == "v2 differs from v1 in 1 of 2 values."
