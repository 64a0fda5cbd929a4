"""What a version answers for one row."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from console.formats import number, signed_percent
from registry.codecs.predictions import Predictions
from registry.signature import Signature, label_text

MOST_BARS = 8
MOST_PLACES = 50
_LEAST_SHARE = 0.0005


class Share(NamedTuple):
    """The probability of a class; ``is_answer``: of the predicted one."""

    label: str
    value: float
    is_answer: bool = False


class Answer(NamedTuple):
    """``value`` is a number or a label; ``places`` are the values of an output that is a list.

    ``shares`` are the largest probabilities first, the rest as "others".
    """

    version: int
    value: Any
    text: str
    is_number: bool
    places: tuple[Any, ...] = ()
    more_places: int = 0
    shares: tuple[Share, ...] = ()
    score: float | None = None


def answer_of(version: int, predictions: Predictions, signature: Signature) -> Answer:
    """The answer for the first row."""
    value = predictions.values[0]
    is_list = signature.output.size is not None
    texts = [label_text(one) for one in (value if is_list else [value])]
    score = None if predictions.scores is None else float(predictions.scores[0])
    return Answer(
        version,
        value,
        ", ".join(texts[:MOST_PLACES]),
        is_number=signature.output.classes is None,
        places=tuple(value[:MOST_PLACES]) if is_list else (),
        more_places=max(0, len(value) - MOST_PLACES) if is_list else 0,
        shares=tuple(_shares(predictions, signature, texts[0])),
        score=score,
    )


def share_of(predictions: Predictions, signature: Signature, label: str) -> list[float] | None:
    """The probability of the class ``label`` in each row; None without probabilities."""
    labels = [label_text(one) for one in signature.output.classes or ()]
    if predictions.probabilities is None or label not in labels:
        return None
    found: list[float] = predictions.probabilities[:, labels.index(label)].tolist()
    return found


def difference_words(answer: Answer, other: Answer) -> str:
    """How the answer of another version differs."""
    first, second = f"v{answer.version}", f"v{other.version}"
    if answer.is_number != other.is_number or len(answer.places) != len(other.places):
        return f"{first} and {second} predict different things."
    if answer.text == other.text:
        return f"{first} and {second} say the same."
    if answer.places:
        differ = sum(a != b for a, b in zip(answer.places, other.places, strict=True))
        return f"{second} differs from {first} in {differ} of {len(answer.places)} values."
    if not answer.is_number:
        return f"{first} says {answer.text}, {second} says {other.text}."
    return f"{second} {_numbers_differ(answer.value, other.value)} {first}."


def _numbers_differ(value: float, other: float) -> str:
    if value == 0:
        return f"says {number(other)} against 0 of"
    share = (other - value) / abs(value)
    if abs(share) < _LEAST_SHARE:
        return "differs by less than 0.1 % from"
    return f"says {signed_percent(share)} against"


def _shares(predictions: Predictions, signature: Signature, answer: str) -> Sequence[Share]:
    if predictions.probabilities is None:
        return []
    labels = [label_text(one) for one in signature.output.classes or ()]
    found = sorted(
        zip(labels, predictions.probabilities[0].tolist(), strict=True),
        key=lambda share: -share[1],
    )
    shares = [Share(label, value, label == answer) for label, value in found[:MOST_BARS]]
    if rest := found[MOST_BARS:]:
        shares.append(Share(f"{len(rest)} others", sum(value for _, value in rest)))
    return shares
