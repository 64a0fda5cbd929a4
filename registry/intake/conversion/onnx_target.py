"""Preprocessing operations as nodes of an ONNX graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan, pi
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from registry.dates import CalendarPart
from registry.intake.conversion.foreign import convert_transformer
from registry.intake.conversion.graph import Block, Graph
from registry.intake.conversion.target import SMALLEST_NORM, Norm, NotConvertible, Table, require


@dataclass(slots=True)
class OnnxTarget(Graph):
    """A graph to which each operation of ``Target`` adds its nodes."""

    def concat(self, blocks: Sequence[Block]) -> Block:
        whole = [block for block in blocks if len(block)]
        require(whole, "No column is left for the estimator.")
        texts = tuple(text for block in whole for text in block.texts)
        if len({(block.tensor, block.width) for block in whole}) == 1:
            picks = tuple(pick for block in whole for pick in block.picks)
            return Block(whole[0].tensor, picks, whole[0].width, texts)
        tensor = self.add("Concat", *map(self.tensor, whole), axis=1)
        return Block(tensor, tuple(range(len(texts))), len(texts), texts)

    def fill(self, block: Block, fills: Sequence[float]) -> Block:
        tensor = self.tensor(block)
        filled = self.add("Where", self.add("IsNaN", tensor), self.row(fills), tensor)
        return Block(filled, tuple(range(len(block))), len(block), block.texts)

    def missing(self, block: Block) -> Block:
        return _numbers(self.double(self.add("IsNaN", self.tensor(block))), block)

    def subtract(self, block: Block, row: ArrayLike) -> Block:
        return _numbers(self.add("Sub", self.tensor(block), self.row(row)), block)

    def divide(self, block: Block, row: ArrayLike) -> Block:
        return _numbers(self.add("Div", self.tensor(block), self.row(row)), block)

    def multiply(self, block: Block, row: ArrayLike) -> Block:
        return _numbers(self.add("Mul", self.tensor(block), self.row(row)), block)

    def plus(self, block: Block, row: ArrayLike) -> Block:
        return _numbers(self.add("Add", self.tensor(block), self.row(row)), block)

    def clip(self, block: Block, low: float, high: float) -> Block:
        bounds = self.constant(low), self.constant(high)
        return _numbers(self.add("Clip", self.tensor(block), *bounds), block)

    def signed_log(self, block: Block) -> Block:
        tensor = self.tensor(block)
        size = self.add("Add", self.add("Abs", tensor), self.constant(1.0))
        logarithm = self.add("Mul", self.add("Sign", tensor), self.add("Log", size))
        return _numbers(logarithm, block)

    def date_part(self, block: Block, part: CalendarPart) -> Block:
        tensor = self.tensor(block)
        days = self._floored(tensor, 86_400)
        if part == "hour":
            second = self.add("Sub", tensor, self._times(days, 86_400))
            return _numbers(self._floored(second, 3_600), block)
        if part == "weekday":
            shifted = self._plus(days, 3)
            weeks = self._times(self._floored(shifted, 7), 7)
            return _numbers(self.add("Sub", shifted, weeks), block)
        return _numbers(self._year_or_month(days, part), block)

    def _year_or_month(self, days: str, part: CalendarPart) -> str:
        """As ``date_part`` in ``chain_kernel.c``, by floored divisions of doubles."""
        shifted = self._plus(days, 719_468)
        era = self._floored(shifted, 146_097)
        day = self.add("Sub", shifted, self._times(era, 146_097))
        of_years = self.add("Sub", day, self._floored(day, 1_460))
        of_years = self.add("Add", of_years, self._floored(day, 36_524))
        year = self._floored(self.add("Sub", of_years, self._floored(day, 146_096)), 365)
        begun = self.add("Add", self._times(year, 365), self._floored(year, 4))
        begun = self.add("Sub", begun, self._floored(year, 100))
        day_of_year = self.add("Sub", day, begun)
        month = self._floored(self._plus(self._times(day_of_year, 5), 2), 153)
        next_year = self._floored(month, 10)  # 1 from January on: these years begin in March
        if part == "month":
            return self.add("Sub", self._plus(month, 3), self._times(next_year, 12))
        return self.add("Add", self.add("Add", year, self._times(era, 400)), next_year)

    def sine(self, block: Block) -> Block:
        return _numbers(self.add("Sin", self.tensor(block)), block)

    def cosine(self, block: Block) -> Block:
        # ONNX Runtime has no cosine of doubles.
        return _numbers(self.add("Sin", self._plus(self.tensor(block), pi / 2)), block)

    def _floored(self, tensor: str, divisor: float) -> str:
        return self.add("Floor", self.add("Div", tensor, self.constant(divisor)))

    def _times(self, tensor: str, factor: float) -> str:
        return self.add("Mul", tensor, self.constant(factor))

    def _plus(self, tensor: str, term: float) -> str:
        return self.add("Add", tensor, self.constant(term))

    def equals(self, block: Block, codes: Sequence[float]) -> Block:
        tensor = self.tensor(block)
        if any(isnan(code) for code in codes):
            # NaN equals nothing here either: it is replaced by +inf, which no request can contain.
            tensor = self.add("Where", self.add("IsNaN", tensor), self.constant(inf), tensor)
            codes = [inf if isnan(code) else code for code in codes]
        return _numbers(self.double(self.add("Equal", tensor, self.row(codes))), block)

    def between(self, block: Block, lows: Sequence[float], highs: Sequence[float]) -> Block:
        tensor = self.tensor(block)
        above = self.add("Greater", tensor, self.row(lows))
        below = self.add("LessOrEqual", tensor, self.row(highs))
        return _numbers(self.double(self.add("And", above, below)), block)

    def look_up(self, block: Block, tables: Sequence[Table]) -> Block:
        columns = [self._looked_up(block.choose([at]), table) for at, table in enumerate(tables)]
        return self.concat(columns)

    def _looked_up(self, column: Block, table: Table) -> Block:
        tensor = self.tensor(column)
        keys, values = list(table.keys) or [inf], list(table.values) or [table.other]
        is_key = self.double(self.add("Equal", tensor, self.row(keys)))
        # One factor is 1 and all others are 0, so the product is the value itself.
        value = self.add("MatMul", is_key, self.constant(np.reshape(values, (-1, 1))))
        known = self.add("ReduceSum", is_key, self.constant([1], np.int64), keepdims=1)
        is_known = self.add("Greater", known, self.constant(0.5))
        found = self.add("Where", is_known, value, self.constant(table.other))
        is_missing = self.add("IsNaN", tensor)
        return _numbers(self.add("Where", is_missing, self.constant(table.missing), found), column)

    def weigh_terms(self, *_: object) -> Block:
        raise NotConvertible("The terms of texts have no ONNX form here.")

    def normalize(self, block: Block, norm: Norm) -> Block:
        tensor, axis = self.tensor(block), self.constant([1], np.int64)
        if norm == "max":
            norms = self.add("ReduceMax", self.add("Abs", tensor), axis, keepdims=1)
        else:
            norms = self.add(f"Reduce{norm.upper()}", tensor, axis, keepdims=1)
        small = self.add("Greater", self.constant(SMALLEST_NORM), norms)
        divisors = self.add("Where", small, self.constant(1.0), norms)
        return _numbers(self.add("Div", tensor, divisors), block)

    def foreign(self, step: Any, block: Block) -> Block:
        return convert_transformer(self, step, block)


def _numbers(tensor: str, block: Block) -> Block:
    return Block.numbers(tensor, len(block))
