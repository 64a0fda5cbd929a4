"""Finds out how the numbers of a file are written: 1,234.5 or 1.234,5, 1 234,5, 1'234.5."""

import math
import re
from collections.abc import Collection

import pandas as pd

from trainers.cells import FORMS
from trainers.errors import DataMalformed
from trainers.file_settings import FileSettings
from trainers.number_text import NumberFormat, read_numbers

_SAMPLE = 500
_DIGIT = re.compile("[0-9]")
_EUROPEAN = ";"
"""Where numbers have a decimal comma, files are separated by semicolons."""


def number_format(
    frame: pd.DataFrame,
    as_text: Collection[str],
    settings: FileSettings,
    source: str,
    delimiter: str = "",
) -> NumberFormat:
    """The format in which the texts of most columns of numbers are written, as far as ``settings``
    do not give it.

    Raises DataMalformed where numbers can be read by two formats and the delimiter is a semicolon.
    """
    forms = [form for form in FORMS if _allows(settings, form)]
    if not forms:
        decimal = settings.decimal or ("," if settings.thousands == "." else ".")
        forms = [NumberFormat(decimal, settings.thousands or ("." if decimal == "," else ","))]
    fitting = {}
    for name in frame.columns:
        if name not in as_text and isinstance(frame[name].dtype, pd.StringDtype):
            texts = _sample(frame[name])
            fits = _fitting(texts, forms)
            if fits:
                fitting[name] = texts, fits
    counts = [sum(form in fits for _, fits in fitting.values()) for form in forms]
    best = forms[counts.index(max(counts))]
    if delimiter == _EUROPEAN and settings.decimal is None and settings.thousands is None:
        equal = [form for form, count in zip(forms, counts, strict=True) if count == max(counts)]
        for name, (texts, fits) in fitting.items():
            rivals = [form for form in fits if form in equal]
            _check_ambiguous(name, texts, rivals, best, source)
    return best


def _allows(settings: FileSettings, form: NumberFormat) -> bool:
    return settings.decimal in {None, form.decimal} and settings.thousands in {None, form.thousands}


def _sample(series: "pd.Series[str]") -> list[str]:
    texts = series.dropna().unique()
    sample = [str(text) for text in texts[:: max(1, len(texts) // _SAMPLE)]]
    return [text for text in sample if _DIGIT.search(text)]


def _fitting(texts: list[str], forms: list[NumberFormat]) -> list[NumberFormat]:
    """The formats by which the most of ``texts`` are numbers, at least half of them."""
    if not texts:
        return []
    found = [int(read_numbers(texts, form).found.sum()) for form in forms]
    most = max(found)
    if most < len(texts) / 2:
        return []
    return [form for form, count in zip(forms, found, strict=True) if count == most]


def _check_ambiguous(
    name: str, texts: list[str], fits: list[NumberFormat], best: NumberFormat, source: str
) -> None:
    numbers = read_numbers(texts, best).values
    for form in fits:
        others = read_numbers(texts, form).values
        for text, number, other in zip(texts, numbers, others, strict=True):
            if number != other and not math.isnan(number) and not math.isnan(other):
                raise DataMalformed(
                    source,
                    f"has numbers that can be read in two ways: '{text}' in the column '{name}' is "
                    f"{number:g} or {other:g}",
                    "Give the decimal sign: decimal = ',' (--decimal ,) or decimal = '.' "
                    "(--decimal .).",
                )
