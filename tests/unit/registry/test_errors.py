"""The tree of errors: complete, documented, and safe to show."""

import inspect
import pkgutil
from importlib import import_module

from registry import errors
from registry.errors import Fault, InputRefused, RegistryError, VersionHasAlias, shown

INDENT = 4
"""Columns that the tree in the package's docstring moves to the right for each level."""


def _classes(base=RegistryError):
    yield base
    for child in base.__subclasses__():
        yield from _classes(child)


OURS = [error for error in _classes() if error.__module__.startswith("registry.errors.")]


def _documented_tree():
    """(class, base class) of each line of the tree in the package's docstring."""
    above = ["Exception"]
    for line in inspect.getdoc(errors).splitlines():
        name = line.lstrip(" │├└─").split(" ")[0]
        if line.startswith(" ") and name.isidentifier():
            level = line.index(name) // INDENT
            yield name, above[level - 1]
            above[level:] = [name]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    assert dict(_documented_tree()) == {error.__name__: error.__base__.__name__ for error in OURS}


def test_each_error_is_exported_by_the_package():
    modules = [
        import_module(f"registry.errors.{found.name}")
        for found in pkgutil.iter_modules(errors.__path__)
    ]
    defined = {
        name
        for module in modules
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
    }

    assert set(errors.__all__) == defined


def test_every_error_has_a_title_of_its_own():
    titles = [error.title for error in OURS]

    assert len(set(titles)) == len(titles)


def test_an_error_has_its_message_and_its_faults():
    error = InputRefused("No.", [Fault("a", "is wrong")])

    assert (str(error), error.detail, error.faults) == ("No.", "No.", (Fault("a", "is wrong"),))


def test_each_class_builds_its_message():
    assert VersionHasAlias("house", 3, ["blue", "production"]).detail == (
        "Version 3 of 'house' is live as 'blue', 'production': move or delete that alias first, or "
        "end its split or rollout."
    )


def test_a_text_of_a_caller_is_quoted_and_truncated():
    assert shown("a\x1b[31m\n") == r"'a\x1b[31m\n'"
    assert shown("x" * 10_000) == repr("x" * 59 + "…")
