"""Which gates apply, and which of them a model can never meet."""

from collections.abc import Iterable, Iterator

from registry.errors import Fault, GateRefused
from registry.gates.grammar import Gate, MetricGate
from registry.metrics.names import METRICS
from registry.signature import Task


def merged(policy: Iterable[Gate], more: Iterable[Gate]) -> tuple[Gate, ...]:
    """The policy's gates and ``more`` behind them, each once."""
    return tuple({gate.text: gate for gate in (*policy, *more)}.values())


def check_task(gates: Iterable[Gate], task: Task) -> None:
    """Raises GateRefused where a gate asks for a metric that ``task`` has not."""
    faults = list(_strangers(gates, task))
    if faults:
        raise GateRefused(f"A gate can never be met: {faults[0].message}.", faults)


def _strangers(gates: Iterable[Gate], task: Task) -> Iterator[Fault]:
    for index, gate in enumerate(gates):
        if isinstance(gate, MetricGate) and gate.metric not in METRICS[task]:
            known = ", ".join(METRICS[task])
            yield Fault(f"gates[{index}]", f"a {task} has no {gate.metric}; it has {known}")
