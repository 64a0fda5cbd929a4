"""The measurement of growth, scaled down: it fills two registries and finds no difference."""

from pathlib import Path

import pytest

from benchmarks.growth import measure
from benchmarks.growth_registry import Size, fill, name_of
from benchmarks.growth_report import GOALS
from registry.reading.queries import Paging, find_version, list_history, list_versions
from registry.storage.database import Database
from registry.storage.history import verify
from tests.seaweedfs import free_ports
from tests.system.real_server import ADMIN_TOKEN


@pytest.mark.slow
def test_a_generated_registry_is_valid(tmp_path: Path) -> None:
    fill(tmp_path / "data", Size(models=3, versions=5, events=15), ADMIN_TOKEN)

    database = Database(f"sqlite:///{tmp_path / 'data' / 'registry.db'}")
    with database.read() as session:
        verify(session)
        for model in map(name_of, range(3)):
            assert list_versions(session, model, Paging())["total"] == 5
            assert list_history(session, model, Paging())["total"] == 15
            live = find_version(session, model, "production")
            assert (live.number, len(live.metrics)) == (5, 2)
    database.dispose()


@pytest.mark.slow
def test_every_figure_is_measured_on_both_registries() -> None:
    small, large = Size(2, 3, 8), Size(12, 3, 8)

    figures = {
        figure.what: figure
        for figure in measure(small, large, rounds=2, uploads=1, ports=free_ports(2))
    }

    assert figures.keys() >= {*GOALS, "start until every worker is ready", "history"}
    assert all(figure.small > 0 and figure.large > 0 for figure in figures.values())
    loads = figures["SQL statements for each version loaded"]
    assert loads.large < loads.small, "what a start costs besides is shared by more versions"
