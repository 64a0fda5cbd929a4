"""The language of gates: one condition a line.

    METRIC OP NUMBER [@ LEVEL%]                        r2 >= 0.6
    METRIC OP champion [* N | + N | - N] [@ LEVEL%]    rmse <= champion * 1.02
    signature compatible
    data compatible
    input_example answered
    latency_ms <= MILLISECONDS
    engine in NAME[, NAME…]

OP is one of < <= > >= ==. ``champion`` is the same metric of the version that the alias points at.
With ``@ 95%`` the whole bootstrap interval of the difference has to satisfy the comparison.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hotswap.metrics.names import METRICS
from registry.errors import GateMalformed
from registry.gates.conditions import ConditionParser, parse_list

ENGINES = ("trees", "linear", "onnx", "onnxruntime", "scikit-learn")
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "==": lambda left, right: left == right,
}

_MIN_LEVEL, _MAX_LEVEL = 50.0, 99.0


def _pattern() -> str:
    number = r"(?:\d{1,20}\.?\d{0,20}|\.\d{1,20})(?:[eE][+-]?\d{1,2})?"
    metric = "|".join(name for names in METRICS.values() for name in names)
    bound = rf"(?:-? ?{number}|champion(?: ?[*+-] ?{number})?)"
    level = r"(?: ?@ ?(?:[5-8][0-9](?:\.[0-9]*)?|9[0-8](?:\.[0-9]*)?|99) ?%)?"
    engine = "|".join(ENGINES)
    forms = (
        rf"(?:{metric}) ?(?:(?:<=|>=|<|>) ?{bound}{level}|== ?{bound})",
        "signature compatible",
        "data compatible",
        "input_example answered",
        rf"latency_ms ?<=? ?{number}",
        rf"engine in (?:{engine})(?: ?, ?(?:{engine}))*",
    )
    return rf"^(?:{'|'.join(forms)})$".replace(r"\d", "[0-9]")


PATTERN = _pattern()
"""The language as a regular expression, for JSON Schema. The parser accepts more: longer numbers
and any white space between two words."""


@dataclass(frozen=True, slots=True)
class Bound:
    """``shift``, plus ``scale`` times the champion's metric where it is needed."""

    shift: float
    scale: float = 0.0
    needs_champion: bool = False


@dataclass(frozen=True, slots=True)
class MetricGate:
    """``level``: the confidence level in percent; None: the metrics alone are compared."""

    text: str
    metric: str
    operator: str
    bound: Bound
    level: float | None = None


@dataclass(frozen=True, slots=True)
class SignatureGate:
    """Callers of the champion can call the candidate."""

    text: str


@dataclass(frozen=True, slots=True)
class DataGate:
    """The profile of the candidate's data is like that of the champion's."""

    text: str


@dataclass(frozen=True, slots=True)
class ExampleGate:
    """The version has an input example, and predicts it."""

    text: str


@dataclass(frozen=True, slots=True)
class LatencyGate:
    """One row is predicted within ``limit`` milliseconds."""

    text: str
    operator: str
    limit: float


@dataclass(frozen=True, slots=True)
class EngineGate:
    """The version's engine is one of ``engines``."""

    text: str
    engines: tuple[str, ...]


Gate = MetricGate | SignatureGate | DataGate | ExampleGate | LatencyGate | EngineGate


def parse(text: str, at: str = "gate") -> Gate:
    """Read one gate; ``at`` is its place in a fault.

    Raises GateMalformed.
    """
    return _Parser(text, at).gate()


def parse_all(texts: Sequence[str], at: str = "gates") -> tuple[Gate, ...]:
    """Read a list of gates.

    Raises GateMalformed with a fault for each invalid gate, for more than 32, and for one that is
    there twice.
    """
    return parse_list(texts, parse, "gate", GateMalformed, at=at)


class _Parser(ConditionParser):
    error = GateMalformed

    def gate(self) -> Gate:
        known = ", ".join(name for names in METRICS.values() for name in names)
        others = "signature, data, input_example, latency_ms and engine"
        first = self._take("name", f"expected a metric, or one of {others}")
        made: Gate
        if first.text == "signature":
            self._word("compatible")
            made = SignatureGate(self._text)
        elif first.text == "data":
            self._word("compatible")
            made = DataGate(self._text)
        elif first.text == "input_example":
            self._word("answered")
            made = ExampleGate(self._text)
        elif first.text == "latency_ms":
            made = self._latency()
        elif first.text == "engine":
            made = self._engine()
        elif any(first.text in names for names in METRICS.values()):
            made = self._metric(first.text)
        else:
            self._refuse(
                f"there is no metric {first.text!r}; there are {known}, and {others}", first.place
            )
        if (left := self._peek()) is not None:
            self._refuse(f"{left.text!r} is not expected here", left.place)
        return made

    def _metric(self, metric: str) -> MetricGate:
        operator = self._operator()
        bound = self._bound()
        level = None
        if self._sign("@") is not None:
            level = self._level()
            if operator == "==":
                self._refuse("'==' has no confidence level: leave out '@' or use < or >", 1)
        return MetricGate(self._text, metric, operator, bound, level)

    def _bound(self) -> Bound:
        found = self._peek()
        if found is None or found.kind != "name":
            return Bound(self._signed("expected a number, or 'champion'"))
        self._word("champion")
        if self._sign("*") is not None:
            return Bound(0.0, self._number("expected a number after '*'"), needs_champion=True)
        if (sign := self._sign("+", "-")) is not None:
            shift = self._number(f"expected a number after {sign!r}")
            return Bound(shift if sign == "+" else -shift, 1.0, needs_champion=True)
        return Bound(0.0, 1.0, needs_champion=True)

    def _level(self) -> float:
        place = self._place()
        level = self._number("expected a percentage after '@', such as 95%")
        if self._sign("%") is None:
            self._refuse("expected '%'", self._place())
        if not _MIN_LEVEL <= level <= _MAX_LEVEL:
            self._refuse(f"expected {_MIN_LEVEL:g}% to {_MAX_LEVEL:g}%", place)
        return level

    def _latency(self) -> LatencyGate:
        place = self._place()
        operator = self._operator()
        if operator not in {"<", "<="}:
            self._refuse("expected '<' or '<=' for latency_ms", place)
        return LatencyGate(self._text, operator, self._number("expected milliseconds"))

    def _engine(self) -> EngineGate:
        self._word("in")
        engines: list[str] = []
        while not engines or self._sign(",") is not None:
            found = self._take("name", f"expected an engine, one of {', '.join(ENGINES)}")
            if found.text not in ENGINES:
                self._refuse(
                    f"there is no engine {found.text!r}, only {', '.join(ENGINES)}", found.place
                )
            engines.append(found.text)
        return EngineGate(self._text, tuple(engines))

    def _operator(self) -> str:
        return self._take("operator", f"expected one of {' '.join(OPERATORS)}").text
