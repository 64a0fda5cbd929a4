"""Every link, path and dotted name in the documentation exists."""

import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from hotswap import Registry

ROOT = Path(__file__).parents[2]
SOURCES = (
    *("api", "benchmarks", "cli", "client", "deploy", "docs", "examples", "migrations"),
    *("keeper", "registry", "tests", "trainers"),
)
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
)
NOT_OURS = {
    "api.py": "a file in a user's working directory",
    "numpy.py": "a file in a user's working directory",
}
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(rf"(?:{'|'.join(SOURCES)})/[\w./*-]*|[\w/]+\.(?:py|c|lua)")
NAME = re.compile(r"(?:registry|api|cli|keeper|hotswap|trainers|benchmarks)(?:\.\w+)+")


def spans(pattern: re.Pattern[str]) -> Iterator[tuple[Path, str]]:
    """Each page with each piece of code in it that the whole of ``pattern`` matches."""
    for page in PAGES:
        for span in SPAN.findall(page.read_text()):
            if pattern.fullmatch(span):
                yield page, span


def test_every_file_that_a_page_links_to_exists() -> None:
    for page in PAGES:
        for target in LINK.findall(page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_shows_the_pictures_of_the_console() -> None:
    shown = re.findall(
        r"!\[([^\]]+)\]\((docs/pictures/[\w-]+\.png)\)", (ROOT / "README.md").read_text()
    )

    assert len(shown) == 2
    assert {path for _, path in shown} == {
        str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "pictures").iterdir()
    }
    for words, path in shown:
        picture = (ROOT / path).read_bytes()
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(picture) < 150_000
        assert len(words) > 40, "whoever cannot see the picture reads this"


def test_every_path_in_a_page_exists() -> None:
    """A path may omit the first folders: ``registry/engines/trees.h``, ``trees.h``."""
    folders = [ROOT / name for name in SOURCES if name != "tests"]
    files = [f"/{path.relative_to(ROOT)}" for folder in folders for path in folder.rglob("*")]

    missing = {
        f"{page.name}: {path}"
        for page, path in spans(PATH)
        if path not in NOT_OURS
        and not any(ROOT.glob(path.rstrip("/")))
        and not any(file.endswith(f"/{path}") for file in files)
    }

    assert missing == set()


def test_every_dotted_name_in_a_page_exists() -> None:
    missing = {
        f"{page.name}: {name}"
        for page, name in spans(NAME)
        if not name.endswith((".py", ".db", ".dump", ".md", ".json", ".token"))  # file names
        and not exists(name)
    }

    assert missing == set()


def test_every_call_of_the_client_in_its_page_exists() -> None:
    """In the examples a ``Registry`` is called ``registry``."""
    example = (ROOT / "docs" / "client.md").read_text()
    calls = re.findall(r"\bregistry\.([\w.]+)\(", example)

    assert calls
    assert [call for call in calls if not hasattr(Registry, call)] == []


def test_the_page_of_the_client_lists_all_its_methods() -> None:
    table = (
        (ROOT / "docs" / "client.md").read_text().partition("\n| read |")[2].partition("\n\n")[0]
    )
    methods = {name for name, kind in vars_of(Registry).items() if callable(kind)}

    assert set(re.findall(r"`(\w+)`", table)) == methods


def vars_of(kind: type) -> dict[str, object]:
    """The public attributes of a class and of those that it inherits from."""
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def exists(name: str) -> bool:
    """Whether ``name`` is a module, or an attribute of one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True
