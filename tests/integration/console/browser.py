"""A browser without scripts: keeps cookies, says where its requests come from, and parses pages."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

ORIGIN = "http://localhost"
_HYPHENS = str.maketrans("\N{MINUS SIGN}\N{EN DASH}", "--")
VOID = frozenset({"meta", "link", "input", "br", "hr", "img", "path", "line", "rect", "circle"})


@dataclass
class FormOnPage:
    """A form: where it sends, how, and the values that it would send unchanged."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: list[dict[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """A parsed page; ``elements`` are its start tags, ``text`` is what a person reads."""

    def __init__(self, response: TestResponse) -> None:
        super().__init__(convert_charrefs=True)
        self.response = response
        self.status = response.status_code
        self.html = response.get_data(as_text=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: list[FormOnPage] = []
        self.open: list[str] = []
        self._text: list[str] = []
        self._area: str | None = None
        self._form_is_open = False
        if not 300 <= self.status < 400:  # werkzeug writes the body of those, which nobody sees
            self.feed(self.html)
            self.close()
        assert self.open == [], f"not closed: {self.open}"

    @property
    def text(self) -> str:
        """The words, with a plain hyphen for dashes and minus signs."""
        return " ".join("".join(self._text).translate(_HYPHENS).split())

    @property
    def location(self) -> str:
        """Where a redirect leads, without the origin."""
        return self.response.headers["Location"].removeprefix(ORIGIN)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "form":
            self.forms.append(FormOnPage(given.get("action", ""), given.get("method", "get")))
            self._form_is_open = True
        self._read_control(tag, given)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without a start"
        assert self.open[-1] == tag, f"</{tag}> ends {self.open[-1]}"
        self.open.pop()
        self._text.append(" ")
        if tag == "textarea":
            self._area = None
        if tag == "form":
            self._form_is_open = False

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"script", "style"}:
            return
        self._text.append(data)
        if self._area is not None:
            self.forms[-1].values[self._area] += data

    def of(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each element with this tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    def hrefs(self) -> list[str]:
        return [link["href"] for link in self.of("a")]

    def form(self, action: str) -> FormOnPage:
        """The form that sends to ``action``."""
        (found,) = [form for form in self.forms if form.action.partition("?")[0] == action]
        return found

    def _read_control(self, tag: str, given: dict[str, str]) -> None:
        if not self._form_is_open:
            return
        form = self.forms[-1]
        if tag == "input" and given.get("name") and given.get("type") not in {"checkbox", "radio"}:
            form.values[given["name"]] = given.get("value", "")
        elif tag == "input" and given.get("name") and "checked" in given:
            form.values[given["name"]] = given.get("value", "on")
        elif tag == "textarea":
            self._area = given["name"]
            form.values[self._area] = ""
        elif tag == "button":
            form.buttons.append(given)


class Browser:
    """Visits the console of ``app``; ``token``: signs in with it first."""

    def __init__(self, app: Flask, token: str | None = None, origin: str = ORIGIN) -> None:
        self.app = app
        self.origin = origin
        self.client = app.test_client()
        if token is not None:
            assert self.sign_in(token).status == 303

    def get(self, path: str, **options: Any) -> Page:
        """Follow a link of the console, or type its address."""
        return self._ask("GET", path, {"Sec-Fetch-Site": "same-origin"}, options)

    def post(self, path: str, form: dict[str, Any] | None = None, **options: Any) -> Page:
        """Send a form of a page of the console."""
        options.setdefault("data", form or {})
        return self._ask("POST", path, {"Sec-Fetch-Site": "same-origin"}, options)

    def submit(self, form: FormOnPage, **typed: str) -> Page:
        """Send a form as it is on its page, with what was typed."""
        return self.post(form.action, {**form.values, **typed})

    def ask(self, method: str, path: str, **options: Any) -> Page:
        """What a page of the console gets that sends this."""
        return self._ask(method, path, {"Sec-Fetch-Site": "same-origin"}, options)

    def fragment(self, path: str, **options: Any) -> Page:
        """What a script asks for."""
        fields = {"Sec-Fetch-Site": "same-origin", "HX-Request": "true"}
        return self._ask("GET", path, fields, options)

    def sign_in(self, token: str, **form: str) -> Page:
        return self.post("/console/login", {"token": token, **form})

    def cookie(self, name: str = "hotswap") -> str | None:
        found = self.client.get_cookie(name)
        return None if found is None else found.value

    def _ask(self, method: str, path: str, fields: dict[str, str], options: dict[str, Any]) -> Page:
        headers = {**fields, **options.pop("headers", {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        return Page(
            self.client.open(
                path, method=method, base_url=self.origin, headers=headers, buffered=True, **options
            )
        )
