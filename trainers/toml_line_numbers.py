"""Finds the line of every key and list item of a TOML document.

``tomllib`` returns the values of a document without their lines. This module scans the same text a
second time. It is only for text that tomllib has read, so it only finds where keys and values begin
and end, and leaves all checks to tomllib.
"""

import re
import tomllib
from collections.abc import Mapping

from trainers.origin import Path

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_TEXT = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)
_BARE = re.compile(r"[^,\]}#\r\n]*")


def key_lines(text: str) -> Mapping[Path, int]:
    """The line, from 1, of each key and each item of a list; of a key that occurs several times
    (``[a]`` and ``[a.b]``) the first.

    ``text`` must be TOML; the result for other text is undefined.
    """
    scan = _Scan(text)
    scan.document()
    return scan.lines


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}
        self._counted = (0, 1)

    def document(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            start = self.at
            table = self._header() if self.text[self.at] == "[" else self._pair(table, table)
            self._skip(_BLANK)
            if self.at == start:
                return  # not TOML; continuing would never end

    def _header(self) -> Path:
        line = self._line()
        is_list = self.text.startswith("[[", self.at)
        self.at += 2 if is_list else 1
        path: Path = ()
        for key in self._keys():
            path = (*path, key)
            self._note(path, line)
            if path in self._tables:  # a header refers to the latest table of a list
                path = (*path, self._tables[path])
        if is_list:
            listed = path[:-1] if isinstance(path[-1], int) else path
            self._tables[listed] = self._tables.get(listed, -1) + 1
            path = (*listed, self._tables[listed])
            self._note(path, line)
        self.at += 2 if is_list else 1
        return path

    def _pair(self, table: Path, following: Path) -> Path:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self._note(path, line)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)
        return following

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            found = _KEY.match(self.text, self.at)
            if found is None:
                return keys
            keys.append(_key_text(found.group()))
            self.at = found.end()
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _value(self, path: Path) -> None:
        opened = self.text[self.at : self.at + 1]
        if opened == "[":
            self._items(path, "]")
        elif opened == "{":
            self._items(path, "}")
        else:
            self._skip(_TEXT if opened in {'"', "'"} else _BARE)

    def _items(self, path: Path, closed: str) -> None:
        self.at += 1
        position = 0
        while True:
            self._skip(_BLANK)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == closed:
                self.at += 1
                return
            start = self.at
            if closed == "]":
                self._note((*path, position), self._line())
                self._value((*path, position))
            else:
                self._pair(path, path)
            position += 1
            self._skip(_BLANK)
            if self.text.startswith(",", self.at):
                self.at += 1
            if self.at == start:
                self.at = len(self.text)  # as in document()

    def _note(self, path: Path, line: int) -> None:
        self.lines.setdefault(path, line)

    def _line(self) -> int:
        position, line = self._counted
        line += self.text.count("\n", position, self.at)
        self._counted = (self.at, line)
        return line

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()


def _key_text(written: str) -> str:
    if written[0] in {'"', "'"}:
        (key,) = tomllib.loads(f"{written} = 0")
        return key
    return written
