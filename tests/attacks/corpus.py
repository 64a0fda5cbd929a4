"""All attacks, one family a file."""

from tests.attacks import (
    archives,
    bombs,
    gadgets,
    indices,
    names,
    nested,
    onnx_graphs,
    pipelines,
    sparse_rows,
    states,
    structures,
)
from tests.attacks.attack import Attack

FAMILIES = {
    family.__name__.rpartition(".")[2]: family.ATTACKS
    for family in (
        *(gadgets, names, states, nested, bombs, archives, structures, indices, pipelines),
        *(onnx_graphs, sparse_rows),
    )
}
CORPUS: dict[str, Attack] = {
    f"{family}/{attack}": attack for family, attacks in FAMILIES.items() for attack in attacks
}
"""Attacks by their name in the tests."""

SAMPLE = {(name.partition("/")[0], attack.format): name for name, attack in CORPUS.items()}.values()
"""One attack of each family on each format."""
