"""Code that calls a version, ready to copy. The reader supplies the token."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

Example = dict[str, Any]


def curl(url: str, example: Example) -> str:
    """A command for a POSIX shell; HOTSWAP_TOKEN is taken from its environment."""
    # With ``instances``: a column of a bare record could be named like a known key.
    return (
        f"curl -s {shlex.quote(url)} \\\n"
        '  -H "Authorization: Bearer $HOTSWAP_TOKEN" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(_json_text({'instances': [example]}))}"
    )


def javascript(url: str, example: Example) -> str:
    """A module for Node, which needs no package."""
    return "\n".join(_javascript_lines(url, example))


def python(url: str, example: Example) -> str:
    """A program that needs only requests."""
    return "\n".join(_python_lines(url, example))


def _javascript_lines(url: str, example: Example) -> Iterator[str]:
    yield "const row = {"
    for name, value in example.items():
        # As a plain key this one would set the object's prototype.
        key = '["__proto__"]' if name == "__proto__" else _json_text(name)
        yield f"  {key}: {_json_text(value)},"
    yield "};"
    yield f"const reply = await fetch({_json_text(url)}, {{"
    yield '  method: "POST",'
    yield "  headers: {"
    yield "    Authorization: `Bearer ${process.env.HOTSWAP_TOKEN}`,"
    yield '    "Content-Type": "application/json",'
    yield "  },"
    yield "  body: JSON.stringify({ instances: [row] }),"
    yield "});"
    yield "if (!reply.ok) throw new Error(await reply.text());"
    yield "console.log((await reply.json()).predictions);"


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


def _json_text(value: Any) -> str:
    """``value`` as JSON, with invisible characters escaped: they could make code look different
    from what it does."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
