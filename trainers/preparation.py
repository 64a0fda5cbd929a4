"""How a recipe prepares one column: its type, how it is filled, and how it becomes numbers."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

ImputeStrategy = Literal["mean", "median", "most_frequent", "none"]
IMPUTE_STRATEGIES: tuple[ImputeStrategy, ...] = get_args(ImputeStrategy)
DeclaredType = Literal["number", "integer", "boolean", "category", "text", "date"]
DECLARED_TYPES: tuple[DeclaredType, ...] = get_args(DeclaredType)
CategoryEncoding = Literal["one_hot", "infrequent", "target"]
CATEGORY_ENCODINGS: tuple[CategoryEncoding, ...] = get_args(CategoryEncoding)


@dataclass(frozen=True, slots=True)
class Constant:
    """Fills missing values with one value: a number, a text, or a boolean."""

    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Bands:
    """Cuts a number at ``edges`` (n + 1, ascending) into n bands named by ``labels``."""

    edges: tuple[float, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How one column is prepared. None: the trainer decides by values, type and estimator."""

    type: DeclaredType | None = None
    impute: ImputeStrategy | Constant | None = None
    scale: bool | None = None
    log: bool = False
    one_hot: bool | None = None
    encode: CategoryEncoding | None = None
    bands: Bands | None = None
    drop: bool = False

    def mistakes(self) -> list[str]:
        """The contradictions in it, in words."""
        found = []
        if self.type is not None and self.type not in DECLARED_TYPES:
            found.append(f"type must be one of {', '.join(DECLARED_TYPES)}, not {self.type!r}")
        if self.drop and self != Preparation(drop=True):
            found.append("a dropped column cannot have another preparation")
        if self.bands is not None and (self.one_hot is not None or self.scale is not None):
            found.append("a column cut into bands cannot be scaled or one-hot encoded")
        found += self._encode_mistakes()
        if self.one_hot and self.scale:
            found.append("a column cannot be both scaled and one-hot encoded")
        if self.log and (self.one_hot or self.bands is not None):
            found.append("a logarithm cannot be one-hot encoded or cut into bands")
        if isinstance(self.impute, str) and self.impute not in IMPUTE_STRATEGIES:
            found.append(
                f"impute must be one of {', '.join(IMPUTE_STRATEGIES)}, not {self.impute!r}"
            )
        if self.bands is not None:
            # Imported late, so that importing a recipe does not import scikit-learn.
            from registry.preprocessing import check_bands

            try:
                check_bands(self.bands.edges, self.bands.labels)
            except ValueError as error:
                found.append(str(error).rstrip("."))
        return found

    def _encode_mistakes(self) -> Iterator[str]:
        if self.encode is None:
            return
        if self.encode not in CATEGORY_ENCODINGS:
            known = ", ".join(CATEGORY_ENCODINGS)
            yield f"encode must be one of {known}, not {self.encode!r}"
        if self.bands is not None or self.one_hot is not None or self.scale or self.log:
            yield "encode excludes one_hot, bands, scale and log"
        if self.type in {"text", "date"}:
            yield f"encode is for categories, not for the type {self.type}"

    def to_json(self) -> dict[str, Any]:
        """The same as a table of a recipe, without what is left to the trainer."""
        document: dict[str, Any] = {} if self.type is None else {"type": self.type}
        if isinstance(self.impute, Constant):
            document["impute"] = {"constant": self.impute.value}
        elif self.impute is not None:
            document["impute"] = self.impute
        for key in ("scale", "one_hot", "encode"):
            if getattr(self, key) is not None:
                document[key] = getattr(self, key)
        for key in ("log", "drop"):
            if getattr(self, key):
                document[key] = True
        if self.bands is not None:
            document["bands"] = {key: list(items) for key, items in asdict(self.bands).items()}
        return document


PREPARATION_KEYS = tuple(own.name for own in fields(Preparation))
