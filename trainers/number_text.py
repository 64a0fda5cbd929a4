"""Reads numbers as people write them: 1,234.5 and 1.234,5, 62.1%, $12, (12) for -12."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE = 1_000
_CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|KRW|Rs\\.?|kr"
_CURRENCY = rf"(?:(?:US|A|C|R|NZ|HK|S)?[$€£¥₹₽₩₺₫₴₦₪฿]|{_CODES})"
_SPACES = "\u00a0\u202f\u2009 "
_ALIKE = {" ": _SPACES, "'": "'\u2019"}
"""Excel in Switzerland writes 1\u2019234."""
_UNIT = r"(?P<unit>[^\d\s.,:;/()-]\S{0,9})"


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """``thousands`` may stand between groups of digits, ``decimal`` before the fraction."""

    decimal: str = "."
    thousands: str = ","

    @property
    def groups(self) -> str:
        """The signs that may stand for ``thousands``."""
        return _ALIKE.get(self.thousands, self.thousands)

    @property
    def habit(self) -> str:
        """How numbers are written, in words."""
        return f"1{self.thousands}234{self.decimal}5 is 1234.5"


@dataclass(frozen=True, slots=True)
class NumberTexts:
    """What texts are as numbers: ``values``, NaN where one is none.

    ``marks`` has the sign that was removed from each: a percent sign, a currency, or none.
    ``habits`` say in words how some are written. ``is_whole``: digits alone.
    """

    values: NDArray[np.float64]
    marks: tuple[str, ...]
    is_whole: bool
    habits: tuple[str, ...] = field(default=())

    @property
    def found(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.values)


def read_numbers(texts: Sequence[str], form: NumberFormat, unit: str = "") -> NumberTexts:
    """Read each of ``texts``; with ``unit``, a number followed by it too."""
    return (None if unit else _read_alike(texts, form)) or _read_each(texts, form, unit)


def _read_alike(texts: Sequence[str], form: NumberFormat) -> NumberTexts | None:
    """``read_numbers`` where all have the sign of the first before or behind them, or all have
    none; None where they differ. Six times as fast."""
    first = _written(form.decimal, form.thousands).fullmatch(texts[0].strip()) if texts else None
    if first is None or (first["front"] and first["back"]):
        return None
    front, back = first["front"] or "", first["back"] or ""
    joined = "\n".join(texts) + "\n"
    if _alike(form.decimal, form.thousands, front, back).fullmatch(joined) is None:
        return None
    mark = front or back
    digits = joined.replace(mark, "") if mark else joined
    removed = dict.fromkeys(map(ord, form.groups + _SPACES))
    plain = digits.translate({**removed, ord(form.decimal): "."})
    values = np.array(list(map(float, plain.split("\n")[:-1])))
    if len(values) != len(texts) or np.isinf(values).any():  # a line break in a text, or 1e999
        return None
    is_grouped = any(sign in digits for sign in form.groups)
    is_odd = is_grouped or (form.decimal != "." and "." in plain)
    is_whole = not mark and re.search("[.eE]", plain) is None
    return NumberTexts(values, (mark,) * len(texts), is_whole, (form.habit,) if is_odd else ())


def _read_each(texts: Sequence[str], form: NumberFormat, unit: str) -> NumberTexts:
    values = np.full(len(texts), np.nan)
    marks = [""] * len(texts)
    habits: Counter[str] = Counter()
    is_whole = True
    pattern = _written(form.decimal, form.thousands)
    for place, text in enumerate(cell.strip().removesuffix(unit).rstrip() for cell in texts):
        if (match := pattern.fullmatch(text)) is not None:
            values[place], marks[place] = _number(match, form, habits)
            # 1,234 is whole. $1,234 is not: a price may have cents.
            is_whole = is_whole and not marks[place] and _is_whole(match)
    return NumberTexts(values, tuple(marks), is_whole, tuple(sorted(habits)))


def unit_of(texts: Sequence[str], form: NumberFormat) -> Counter[str]:
    """The units that follow a number in ``texts``, such as the km in 12 km."""
    pattern = re.compile(rf"[+-]?{_body(form.decimal, form.thousands)}\s*{_UNIT}")
    matches = (pattern.fullmatch(text.strip()) for text in texts)
    return Counter(match["unit"] for match in matches if match is not None)


def numeric_share(texts: Sequence[str], forms: Iterable[NumberFormat]) -> float:
    """The share of ``texts`` that are numbers by one of ``forms``; SAMPLE of them are tried."""
    sample = texts[:: max(1, len(texts) // SAMPLE)]
    if not sample:
        return 0.0
    return max(float(read_numbers(sample, form).found.mean()) for form in forms)


@cache
def _written(decimal: str, thousands: str) -> "re.Pattern[str]":
    sign = r"[+\-\u2212]"
    body = rf"(?P<body>{_body(decimal, thousands)})"
    return re.compile(
        rf"(?P<open>\(\s*)?(?P<sign>{sign})?\s*(?P<front>{_CURRENCY})?\s*(?P<inner>{sign})?\s*"
        rf"{body}\s*(?P<back>%|{_CURRENCY})?\s*(?P<close>\))?"
    )


@cache
def _alike(decimal: str, thousands: str, front: str, back: str) -> "re.Pattern[str]":
    """Lines of numbers with these signs. The groups are possessive: the search ends at the first
    line that is not a number."""
    body = _body(decimal, thousands).replace("?P<fraction>", "?:")
    before, behind = (f"{re.escape(mark)} *" if mark else "" for mark in (front, back))
    return re.compile(rf"(?:(?> *[+-]?{before}{body} *{behind})\n)*+")


def _body(decimal: str, thousands: str) -> str:
    point, group = re.escape(decimal), f"[{re.escape(_ALIKE.get(thousands, thousands))}]"
    # Groups do not begin with a zero: 0.125 is a fraction. 1,00,000 is written in India.
    groups = (
        rf"(?:{group}[0-9]{{2,3}})*{group}[0-9]{{3}}"
        if thousands == ","
        else rf"(?:{group}[0-9]{{3}})+"
    )
    digits = rf"[1-9][0-9]{{0,2}}{groups}"
    exponent = r"(?:[eE][+-]?[0-9]+)?"
    return rf"(?={point}?[0-9])(?:{digits}|[0-9]+)?(?P<fraction>{point}[0-9]*)?{exponent}"


def _is_whole(match: "re.Match[str]") -> bool:
    return match["fraction"] is None and "e" not in match["body"].lower()


def _number(
    match: "re.Match[str]", form: NumberFormat, habits: Counter[str]
) -> tuple[float, str]:  # fmt: skip
    """The number and the mark removed; NaN where brackets or signs contradict each other."""
    opened, closed = bool(match["open"]), bool(match["close"])
    signs = [sign for sign in (match["sign"], match["inner"]) if sign]
    marks = [mark for mark in (match["front"], match["back"]) if mark]
    body = match["body"]
    digits = "".join(sign for sign in body if sign not in form.groups + _SPACES)
    digits = digits.replace(form.decimal, ".")
    number = float(digits)
    if opened != closed or len(signs) + opened > 1 or len(marks) > 1 or math.isinf(number):
        return math.nan, ""
    if digits != body:
        habits[form.habit] += 1
    if opened:
        habits["(12) is -12"] += 1
    negative = opened or (bool(signs) and signs[0] != "+")
    return (-number if negative else number), marks[0] if marks else ""
