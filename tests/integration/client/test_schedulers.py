"""Connecting to the scheduler of a Dask cluster: with TLS, and to what never answers."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotswap import schedulers
from hotswap.errors import ClusterFailed

pytestmark = pytest.mark.filterwarnings("ignore")  # distributed's own


@contextmanager
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_accepts_connections_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedulers, "ANSWER_SECONDS", 0.3)

    with (
        silent() as address,
        pytest.raises(ClusterFailed, match=r"it has not answered for 0 s\. Is this the address"),
    ):
        schedulers.connect(address)


def test_a_server_that_says_nothing_is_given_up_in_a_notebook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedulers, "ANSWER_SECONDS", 0.3)

    async def cell() -> None:
        with silent() as address, pytest.raises(ClusterFailed, match="it has not answered"):
            schedulers.connect(address)

    asyncio.run(cell())


def test_an_address_for_tls_without_certificates_is_refused() -> None:
    with pytest.raises(ClusterFailed, match=r"tls://127\.0\.0\.1:1 failed: TLS expects"):
        schedulers.connect("tls://127.0.0.1:1")


def test_an_unencrypted_address_is_refused_where_dask_is_to_encrypt() -> None:
    import dask

    with (
        dask.config.set({"distributed.comm.require-encryption": True}),
        pytest.raises(ClusterFailed, match="encryption required by Dask configuration"),
    ):
        schedulers.connect("tcp://127.0.0.1:1")


@pytest.mark.slow
def test_a_wait_for_an_answer_can_be_interrupted() -> None:
    interruption = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    with silent() as address:
        interruption.start()
        with pytest.raises(KeyboardInterrupt):
            schedulers.connect(address)


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """Dask's configuration of a certificate that schedulers and clients have, and trust."""
    key, signed = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=cluster", "-keyout", key, "-out", signed),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    tls = "distributed.comm.tls"
    of_roles = {
        f"{tls}.{role}.{name}": str(file)
        for role in ("scheduler", "client")
        for name, file in (("key", key), ("cert", signed))
    }
    return {f"{tls}.ca-file": str(signed), **of_roles}


def test_a_scheduler_with_tls_is_connected_with_the_configured_certificates(
    certificate: dict[str, str],
) -> None:
    import dask
    from distributed import LocalCluster, Security

    with dask.config.set(certificate):
        how = {"n_workers": 0, "processes": False, "dashboard_address": None}
        with LocalCluster(protocol="tls://", security=Security(), **how) as cluster:
            address = cluster.scheduler_address
            with schedulers.connect(address) as client:
                assert schedulers.threads_of(client, address) == 0
            unencrypted = address.replace("tls://", "tcp://")
            with pytest.raises(ClusterFailed):
                schedulers.connect(unencrypted)
    assert address.startswith("tls://")


@pytest.mark.slow
def test_a_scheduler_that_is_stopped_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import time; from distributed import LocalCluster\n"
        "with LocalCluster(n_workers=0, dashboard_address=None) as cluster:\n"
        "    print(cluster.scheduler_address, flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        client = schedulers.connect(address)
        assert schedulers.threads_of(client, address) == 0
        monkeypatch.setattr(schedulers, "ANSWER_SECONDS", 1.0)
        os.kill(process.pid, signal.SIGSTOP)

        with pytest.raises(ClusterFailed, match=r"does not answer: .*timed out"):
            schedulers.threads_of(client, address)

        os.kill(process.pid, signal.SIGCONT)
        client.close()
    finally:
        process.kill()
        process.communicate()
