"""Two hosts with one database and one bucket, between which the requests of MLflow's clients
alternate."""

from itertools import cycle

import pytest

from tests.integration.api.conftest import ADMIN_TOKEN, Caller, check_error_code, new_name
from tests.integration.api.test_mlflow_artifacts import FILES, MLMODEL, Artifacts


class Balanced(Caller):
    """A caller behind a load balancer: the next request goes to the next host."""

    def __init__(self, *services):
        super().__init__(services[0].app, ADMIN_TOKEN)
        self._hosts = cycle([service.admin for service in services])

    def ask(self, *arguments, **options):
        return next(self._hosts).ask(*arguments, **options)


@pytest.fixture(scope="module")
def hosts(module_app, postgresql, seaweedfs):
    """Each has a data directory of its own."""
    shared = {
        "database_url": postgresql.create(migrated=True),
        "blobs_url": seaweedfs.url(),
        "blobs_endpoint": seaweedfs.endpoint,
        # No renewer runs beside these apps. Without leases hosts have one name, or are refused.
        "lease_seconds": 0,
    }
    return module_app(**shared), module_app(**shared)


@pytest.fixture
def directory(artifacts):
    return {
        "MLmodel": MLMODEL.encode(),
        "model.skops": artifacts["line-1"],
        "requirements.txt": b"scikit-learn==1.9.1\n",
        "metadata/empty": b"",
        "metadata/größer.bin": bytes(range(256)) * 100,
    }


def test_files_that_reach_different_hosts_become_one_version(hosts, directory):
    balanced, name = Balanced(*hosts), new_name()
    assert balanced.post("/models", json={"name": name}).status_code == 201
    own = Artifacts(balanced)
    own.upload(name, {**directory, "model.skops": b"replaced by the next host"})
    own.upload(name, {"model.skops": directory["model.skops"]})
    for host in hosts:
        theirs = Artifacts(host.admin)
        assert theirs.listed(f"uploads/{name}")["files"] == [
            {"path": "MLmodel", "is_dir": False, "file_size": len(directory["MLmodel"])},
            {"path": "metadata", "is_dir": True},
            {"path": "model.skops", "is_dir": False, "file_size": len(directory["model.skops"])},
            {"path": "requirements.txt", "is_dir": False, "file_size": 20},
        ]
        found = host.admin.get(f"{FILES}/uploads/{name}/metadata/größer.bin")
        assert found.data == directory["metadata/größer.bin"]

    for number, host in enumerate(hosts, 1):
        answer = Artifacts(host.admin).create(name, f"mlflow-artifacts:/uploads/{name}")
        assert answer.status_code == 200, answer.text
        assert answer.json["model_version"]["version"] == str(number)
    assert balanced.delete(f"{FILES}/uploads/{name}").status_code == 200

    body = {"instances": [[4.0], [5.5]]}
    for number in (1, 2):
        answers = [host.admin.post(f"/models/{name}/{number}/predict", json=body) for host in hosts]
        assert answers[0].json["predictions"] == answers[1].json["predictions"]
        for host in hosts:
            for path, content in directory.items():
                given = host.admin.get(f"{FILES}/models/{name}/{number}/{path}")
                assert given.data == content, path
    for host in hosts:
        missing = host.admin.get(f"{FILES}/uploads/{name}/MLmodel")
        check_error_code(missing, 404, "upload-not-found")
        assert [path for path in host.data.glob("blobs/*/**/*") if path.is_file()] == []
