"""How splits are printed."""

from hotswap.replies import AliasSplit, Split


def percent(weight: float) -> str:
    """A percentage without superfluous zeros."""
    return f"{weight:g}%"


def arms_in_words(split: AliasSplit | Split | None) -> str | None:
    """The versions of a split and their weights in a few words; None: there is none."""
    if split is None:
        return None
    return ", ".join(f"{arm['version']}: {percent(arm['weight'])}" for arm in split["arms"])
