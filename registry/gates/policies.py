"""Which gates apply, and which of them a model can never pass."""

from collections.abc import Iterable, Iterator

from hotswap.metrics.names import METRICS
from registry.errors import Fault, GateRefused
from registry.gates.grammar import Gate, MetricGate
from registry.signature import Task


def merged(policy: Iterable[Gate], more: Iterable[Gate]) -> tuple[Gate, ...]:
    """The policy's gates followed by ``more``, each once."""
    return tuple({gate.text: gate for gate in (*policy, *more)}.values())


def check_task(gates: Iterable[Gate], task: Task) -> None:
    """Raises GateRefused where a gate requires a metric that ``task`` does not have."""
    faults = list(_faults(gates, task))
    if faults:
        raise GateRefused(f"A gate can never pass: {faults[0].message}.", faults)


def _faults(gates: Iterable[Gate], task: Task) -> Iterator[Fault]:
    for index, gate in enumerate(gates):
        if isinstance(gate, MetricGate) and gate.metric not in METRICS[task]:
            known = ", ".join(METRICS[task])
            yield Fault(f"gates[{index}]", f"a {task} has no {gate.metric}; it has {known}")
