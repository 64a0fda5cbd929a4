"""Model names, aliases and version references on the command line, checked before a request."""

from dataclasses import dataclass
from typing import Any

import click

from registry.errors import IdempotencyKeyMalformed, Malformed
from registry.errors.quoting import shown
from registry.names import check_alias, check_model_name, parse_reference


@dataclass(frozen=True, slots=True)
class Reference:
    """A model, or a version of it: ``housing``, ``housing/3`` or ``housing/production``."""

    name: str
    version: int | str | None

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}/{self.version}"


class _Checked(click.ParamType[Any]):
    """Checks a value by the registry's own grammar, with its error messages."""

    def read(self, value: str) -> Any:
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except Malformed as error:
            self.fail(error.detail, param, ctx)


class ModelName(_Checked):
    """A model name."""

    name = "name"

    def read(self, value: str) -> str:
        return check_model_name(value)


class AliasName(_Checked):
    """An alias that a caller may set."""

    name = "alias"

    def read(self, value: str) -> str:
        return check_alias(value)


class VersionReference(_Checked):
    """A version number, an alias or ``latest``."""

    name = "version"

    def read(self, value: str) -> int | str:
        return parse_reference(value)


class ModelReference(_Checked):
    """A model name, optionally followed by a slash and a version reference."""

    name = "name[/version]"

    def read(self, value: str) -> Reference:
        name, slash, version = value.partition("/")
        return Reference(check_model_name(name), parse_reference(version) if slash else None)


class HostName(_Checked):
    """The name of a host, which is a part of a path."""

    name = "name"

    def read(self, value: str) -> str:
        if value in {"", ".", ".."} or "/" in value or not value.isprintable():
            raise click.BadParameter(f"{shown(value)} is not a name of a host.")
        return value


class IdempotencyKey(_Checked):
    """A key by which the service recognises a repeated request."""

    name = "key"

    def read(self, value: str) -> str:
        if not (1 <= len(value) <= 200 and value.isascii() and value.isprintable()):
            raise IdempotencyKeyMalformed
        return value
