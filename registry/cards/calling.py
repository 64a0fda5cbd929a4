"""Code that calls a version, ready to copy. The reader supplies the token."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

Example = dict[str, Any]


def curl(url: str, example: Example) -> str:
    """A command for a POSIX shell; HOTSWAP_TOKEN is taken from its environment."""
    return (
        f"curl -s {shlex.quote(url)} \\\n"
        '  -H "Authorization: Bearer $HOTSWAP_TOKEN" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(_json_text(example))}"
    )


def python(url: str, example: Example) -> str:
    """A program that needs only requests."""
    return "\n".join(_python_lines(url, example))


def _python_lines(url: str, example: Example) -> Iterator[str]:
    yield "import os"
    yield ""
    yield "import requests"
    yield ""
    yield "row = {"
    for name, value in example.items():
        yield f"    {name!r}: {value!r},"
    yield "}"
    yield "reply = requests.post("
    yield f"    {url!r},"
    yield """    headers={"Authorization": f"Bearer {os.environ['HOTSWAP_TOKEN']}"},"""
    yield '    json={"instances": [row]},'
    yield "    timeout=10,"
    yield ")"
    yield "reply.raise_for_status()"
    yield 'print(reply.json()["predictions"])'


def _json_text(example: Example) -> str:
    """The body, with ``instances``: a column of a bare record could be named like a known key."""
    text = json.dumps({"instances": [example]}, ensure_ascii=False)
    # Invisible characters could make the command look different from what it sends.
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
