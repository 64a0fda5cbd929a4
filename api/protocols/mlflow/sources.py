"""Where the bytes of a new version come from, as MLflow's clients name it.

The service never fetches a location: a source is a directory that was uploaded, or a version.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from api.protocols.mlflow.artifacts import MODELS, PATH, UPLOADS, artifacts_url
from api.protocols.mlflow.calls import PREFIX
from api.services import services
from registry.blobs.uploads import FilePath, parse_path
from registry.errors import NotOffered, PathMalformed

_REFUSED = (
    "Hotswap keeps the bytes of each version and does not fetch them: upload the model directory "
    "first, or register with the scheme hotswap+http (pip install 'hotswap-client[mlflow]')."
)
_OWN = re.compile(r"/?(?P<model>[^/@]+)(/(?P<version>[0-9]+)|@(?P<alias>[^/@]+))")


@dataclass(frozen=True, slots=True)
class OwnVersion:
    """A version of this registry, by its number or by an alias."""

    model: str
    version: str | None = None
    alias: str | None = None


def read_source(source: str) -> FilePath | OwnVersion:
    """The path of a directory below the uploads of the caller's token, or a version.

    Raises NotOffered for every other location.
    """
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise NotOffered(_REFUSED) from error
    if parts.query or parts.fragment:
        raise NotOffered(_REFUSED)
    if parts.scheme == "models" and not parts.netloc:
        return _own_version(parts.path)
    if parts.scheme == "mlflow-artifacts" and parts.netloc in {"", *_hosts()}:
        return _in_artifacts(parts.path.removeprefix("/"))
    if parts.scheme in {"http", "https"}:
        for base in _bases():
            at = urlsplit(base)
            if parts.netloc == at.netloc and parts.path.startswith(f"{at.path}/"):
                return _in_artifacts(parts.path.removeprefix(f"{at.path}/"))
    raise NotOffered(_REFUSED)


def _own_version(path: str) -> OwnVersion:
    found = _OWN.fullmatch(path)
    if found is None:
        raise NotOffered(_REFUSED)
    return OwnVersion(found["model"], found["version"], found["alias"])


def _in_artifacts(path: str) -> FilePath | OwnVersion:
    top, _, rest = path.rstrip("/").partition("/")
    if top == MODELS:
        return _own_version(rest)
    if top != UPLOADS:
        raise NotOffered(_REFUSED)
    try:
        return parse_path(rest)
    except PathMalformed as error:
        raise NotOffered(_REFUSED) from error


def _bases() -> list[str]:
    public = services().settings.public_url
    return [artifacts_url(), *([f"{public}{PREFIX}{PATH}"] if public else [])]


def _hosts() -> set[str]:
    return {urlsplit(base).netloc for base in _bases()}
