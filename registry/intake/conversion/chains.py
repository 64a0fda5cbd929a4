"""Preprocessing as chains: each feature is one column and the steps applied to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from registry.dates import CalendarPart
from registry.engines.chains_file import ChainsFile, Operation, TextColumn
from registry.intake.conversion.target import Norm, NotConvertible, Table, Vocabulary, require
from registry.signature import Signature

_Step = tuple[Operation, float, float]
_DATE_PARTS: Mapping[CalendarPart, Operation] = {
    "year": Operation.YEAR,
    "month": Operation.MONTH,
    "weekday": Operation.WEEKDAY,
    "hour": Operation.HOUR,
}


@dataclass(frozen=True, slots=True)
class Chain:
    """A column of the signature by its index, and the steps applied to it so far."""

    column: int
    steps: tuple[_Step, ...] = ()

    def then(self, operation: Operation, first: float = 0.0, second: float = 0.0) -> "Chain":
        return Chain(self.column, (*self.steps, (operation, float(first), float(second))))

    def then_look_up(self, table: Table) -> "Chain":
        entries = [*zip(table.keys, table.values, strict=True), (nan, table.missing)]
        look_up = (Operation.LOOK_UP, float(len(entries)), float(table.other))
        kept = [(Operation.ENTRY, float(key), float(value)) for key, value in entries]
        return Chain(self.column, (*self.steps, look_up, *kept))


@dataclass(frozen=True, slots=True)
class ChainBlock:
    """Some chains, and behind them the terms of columns of text; ``texts`` as in every block of
    columns, but of the chains only."""

    chains: tuple[Chain, ...]
    texts: tuple[Vocabulary | None, ...]
    text_columns: tuple[TextColumn, ...] = ()

    def choose(self, positions: Sequence[int]) -> "ChainBlock":
        self.require_chains()
        return ChainBlock(
            tuple(self.chains[at] for at in positions), tuple(self.texts[at] for at in positions)
        )

    def require_chains(self) -> None:
        """Raises NotConvertible where the block has terms, which no further step may change."""
        require(not self.text_columns, "A step after the terms of texts is not a chain.")

    def __len__(self) -> int:
        return len(self.chains) + sum(len(text.idf) for text in self.text_columns)


class ChainTarget:
    """Records operations as chains; a step that combines columns has no such form."""

    def fill(self, block: ChainBlock, fills: Sequence[float]) -> ChainBlock:
        chains = _each(block, Operation.FILL, fills).chains
        return ChainBlock(chains, block.texts)

    def missing(self, block: ChainBlock) -> ChainBlock:
        return _numbers(chain.then(Operation.IS_MISSING) for chain in _chains(block))

    def subtract(self, block: ChainBlock, row: ArrayLike) -> ChainBlock:
        return _each(block, Operation.SUBTRACT, row)

    def divide(self, block: ChainBlock, row: ArrayLike) -> ChainBlock:
        return _each(block, Operation.DIVIDE, row)

    def multiply(self, block: ChainBlock, row: ArrayLike) -> ChainBlock:
        return _each(block, Operation.MULTIPLY, row)

    def plus(self, block: ChainBlock, row: ArrayLike) -> ChainBlock:
        return _each(block, Operation.ADD, row)

    def clip(self, block: ChainBlock, low: float, high: float) -> ChainBlock:
        return _numbers(chain.then(Operation.CLIP, low, high) for chain in _chains(block))

    def signed_log(self, block: ChainBlock) -> ChainBlock:
        return _numbers(chain.then(Operation.SIGNED_LOG) for chain in _chains(block))

    def date_part(self, block: ChainBlock, part: CalendarPart) -> ChainBlock:
        return _numbers(chain.then(_DATE_PARTS[part]) for chain in _chains(block))

    def sine(self, block: ChainBlock) -> ChainBlock:
        return _numbers(chain.then(Operation.SINE) for chain in _chains(block))

    def cosine(self, block: ChainBlock) -> ChainBlock:
        return _numbers(chain.then(Operation.COSINE) for chain in _chains(block))

    def equals(self, block: ChainBlock, codes: Sequence[float]) -> ChainBlock:
        return _numbers(
            chain.then(Operation.IS_MISSING)
            if np.isnan(code)
            else chain.then(Operation.EQUALS, code)
            for chain, code in zip(_chains(block), codes, strict=True)
        )

    def between(
        self, block: ChainBlock, lows: Sequence[float], highs: Sequence[float]
    ) -> ChainBlock:
        return _numbers(
            chain.then(Operation.BETWEEN, low, high)
            for chain, low, high in zip(_chains(block), lows, highs, strict=True)
        )

    def look_up(self, block: ChainBlock, tables: Sequence[Table]) -> ChainBlock:
        return _numbers(
            chain.then_look_up(table) for chain, table in zip(_chains(block), tables, strict=True)
        )

    def weigh_terms(self, block: ChainBlock, terms: Sequence[tuple[str, ArrayLike]]) -> ChainBlock:
        require(
            not any(chain.steps for chain in block.chains),
            "The terms of texts that were changed before are not supported.",
        )
        columns = zip(block.chains, terms, strict=True)
        return ChainBlock(
            (),
            (),
            tuple(
                TextColumn(chain.column, words, np.asarray(idf, dtype=np.float64))
                for chain, (words, idf) in columns
            ),
        )

    def normalize(self, block: ChainBlock, norm: Norm) -> ChainBlock:
        raise _combines(f"Normalizer(norm={norm!r})", block)

    def concat(self, blocks: Sequence[ChainBlock]) -> ChainBlock:
        chains = tuple(chain for block in blocks for chain in block.chains)
        terms = tuple(text for block in blocks for text in block.text_columns)
        require(chains or terms, "No column is left for the estimator.")
        first = next((at for at, block in enumerate(blocks) if block.text_columns), len(blocks))
        require(
            not any(block.chains for block in blocks[first + 1 :]),
            "The terms of texts are not the last features.",
        )
        texts = tuple(text for block in blocks for text in block.texts)
        return ChainBlock(chains, texts, terms)

    def foreign(self, step: Any, block: ChainBlock) -> ChainBlock:
        raise _combines(type(step).__name__, block)


def given_chains(signature: Signature) -> ChainBlock:
    """The unchanged columns of ``signature``."""
    return ChainBlock(
        tuple(Chain(position) for position in range(len(signature.inputs))),
        tuple(Vocabulary() if column.type == "string" else None for column in signature.inputs),
    )


def to_file(given: ChainBlock, made: ChainBlock) -> ChainsFile:
    """The chains that lead from the columns ``given`` to the features ``made``."""
    require(
        not any(text is not None for text in made.texts),
        "A column of texts reaches the estimator.",
    )
    steps = [step for chain in made.chains for step in chain.steps]
    return ChainsFile(
        texts=[None if text is None else list(text) for text in given.texts],
        column=np.array([chain.column for chain in made.chains], np.int32),
        length=np.array([len(chain.steps) for chain in made.chains], np.int32),
        kind=np.array([operation for operation, _, _ in steps], np.uint8),
        first=np.array([first for _, first, _ in steps], np.float64),
        second=np.array([second for _, _, second in steps], np.float64),
        text_columns=made.text_columns,
    )


def _combines(step: str, block: ChainBlock) -> NotConvertible:
    return NotConvertible(f"{step} combines {len(block)} columns and is not a chain of steps.")


def _chains(block: ChainBlock) -> tuple[Chain, ...]:
    block.require_chains()
    return block.chains


def _each(block: ChainBlock, operation: Operation, row: ArrayLike) -> ChainBlock:
    operands = np.broadcast_to(np.asarray(row, dtype=np.float64), len(block)).tolist()
    return _numbers(
        chain.then(operation, operand)
        for chain, operand in zip(_chains(block), operands, strict=True)
    )


def _numbers(chains: Iterable[Chain]) -> ChainBlock:
    made = tuple(chains)
    return ChainBlock(made, (None,) * len(made))
