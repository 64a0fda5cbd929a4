"""The tree of errors: complete, documented, and safe to show."""

import registry.errors
from registry.errors import Fault, InputRefused, RegistryError, VersionHasAlias, shown


def _classes(base=RegistryError):
    yield base
    for child in base.__subclasses__():
        yield from _classes(child)


def test_the_page_at_the_top_of_the_file_names_every_error():
    written = {word for word in registry.errors.__doc__.split() if word.isidentifier()}
    undocumented = [
        error.__name__
        for error in _classes()
        if error.__module__ == "registry.errors" and error.__name__ not in written
    ]

    assert undocumented == []


def test_every_error_has_a_title_of_its_own():
    titles = [error.title for error in _classes() if error.__module__ == "registry.errors"]

    assert len(set(titles)) == len(titles)


def test_an_error_carries_its_message_and_its_faults():
    error = InputRefused("No.", [Fault("a", "is wrong")])

    assert (str(error), error.detail, error.faults) == ("No.", "No.", (Fault("a", "is wrong"),))


def test_a_message_is_built_by_its_class():
    assert VersionHasAlias("house", 3, ["blue", "production"]).detail == (
        "Version 3 of 'house' is live as 'blue', 'production': move or delete that alias first."
    )


def test_a_caller_s_text_is_shown_quoted_and_cut():
    assert shown("a\x1b[31m\n") == r"'a\x1b[31m\n'"
    assert shown("x" * 10_000) == repr("x" * 59 + "…")
