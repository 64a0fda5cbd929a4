"""The packages that a model was made with."""

import re

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,99})==([A-Za-z0-9.+!_-]{1,100})")
_MOST = 200


def read_requirements(content: bytes) -> dict[str, str]:
    """The packages with an exact version in a requirements file of pip, by their names."""
    pins = map(_PIN.match, content.decode(errors="replace").splitlines()[:_MOST])
    return {pin[1]: pin[2] for pin in pins if pin is not None}
