"""What the processes of ``hotswap serve`` import before they answer."""

import subprocess
import sys

UNUSED = {
    *("alembic", "matplotlib", "onnxruntime", "pandas", "pyarrow", "psycopg", "rich", "sklearn"),
    "numpy.random",
    "registry.formats.structure",
    "sqlalchemy.dialects.postgresql",
}
"""What is imported only where it is needed: by migrations, pages, bodies, settings and commands."""


def loaded_by(*imports: str) -> set[str]:
    """The modules that are loaded after these imports."""
    program = f"import sys, {', '.join(imports)}\nprint(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(ended.stdout.split())


def test_the_main_process_imports_neither_flask_nor_sqlalchemy_nor_what_serves() -> None:
    loaded = loaded_by("cli.main", "cli.serve")

    assert "granian" in loaded
    assert not {"flask", "numpy", "sqlalchemy", "sqlite3", *UNUSED} & loaded


def test_the_worker_that_prepares_the_service_imports_nothing_for_that_alone() -> None:
    preparing = loaded_by("api.start", "api.stores", "registry.operations.ensure_admin")

    assert preparing < loaded_by("api.app")


def test_workers_import_what_sqlite_and_predictions_need() -> None:
    loaded = loaded_by("api.app", "console.app", "cli.worker")

    assert {"flask", "numpy", "registry.engines.loading"} < loaded
    assert not UNUSED & loaded
