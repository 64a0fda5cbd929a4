"""How a version is called, ready to be pasted. The token is always the caller's own to fill in."""

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
    """A program that needs nothing but requests."""
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
    """Under a key, since a column of a record of its own may be called like one of the keys."""
    text = json.dumps({"instances": [example]}, ensure_ascii=False)
    # What has no picture could show something else than is sent.
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
