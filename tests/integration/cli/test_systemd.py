"""What systemd passes to a service, and what it is notified of."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.systemd import Notifier, configured_manager, forget, passed_socket
from config import ServiceManager

ACTIVATED = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from cli.exits import CommandFailed
from cli.listening import listen
from cli.systemd import configured_manager
from config import Settings
try:
    manager = configured_manager()
    listeners = listen(Settings(workers=2), manager)
    settings = listeners.settings(Settings(workers=2))
    print(listeners.fit(settings), settings.uds or f"{settings.host}:{settings.port}")
except CommandFailed as refused:
    print(refused.message)
"""


def activated(passed: int, count: int = 1) -> str:
    """What a process says that is started with ``passed`` as its file 3."""

    def pass_on() -> None:
        os.dup2(passed, 3)

    return subprocess.run(
        [sys.executable, "-c", ACTIVATED],
        env=os.environ | {"LISTEN_FDS": str(count)},
        preexec_fn=pass_on,
        pass_fds=(3,),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.strip()


def test_a_tcp_socket_of_systemd_is_shared_by_the_workers_and_sets_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert activated(listener.fileno()) == f"2 127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("name", "shown"), [("here.sock", "here.sock"), ("\0hotswap-test", "@hotswap-test")]
)
def test_a_unix_socket_of_systemd_is_shared_by_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        assert activated(listener.fileno()) == f"2 {shown}"


def not_listening() -> socket.socket:
    return socket.socket()


def of_datagrams() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


@pytest.mark.parametrize("make", [not_listening, of_datagrams])
def test_a_socket_that_does_not_listen_is_refused(
    make: Callable[[], socket.socket],
) -> None:
    with make() as wrong:
        assert "does not listen for connections" in activated(wrong.fileno())


def test_a_file_that_is_not_a_socket_is_refused() -> None:
    with Path(os.devnull).open() as wrong:
        assert "What systemd passes is not a socket" in activated(wrong.fileno())


def test_several_sockets_are_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert "systemd passes 2 sockets" in activated(listener.fileno(), count=2)


def test_sockets_passed_to_another_process_are_ignored() -> None:
    assert passed_socket(ServiceManager(listen_pid=1, listen_fds=1)) is None
    assert passed_socket(configured_manager()) is None


def test_the_systemd_variables_are_removed_from_the_environment() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "NOTIFY_SOCKET": "@x", "PATH": "/bin"}

    forget(environ)

    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("name", ["\0hotswap-notify", "notify"])
def test_systemd_is_notified_of_each_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name)
        notifier = Notifier(name.replace("\0", "@"))
        notifier.ready()
        notifier.reloading()
        notifier.succeeded_by(7)
        notifier.stopping()
        ready, reloading, succeeded, stopping = (systemd.recv(100).decode() for _ in range(4))

    assert (ready, succeeded, stopping) == ("READY=1", "MAINPID=7", "STOPPING=1")
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_nothing_is_sent_without_systemd(caplog: pytest.LogCaptureFixture) -> None:
    Notifier("").ready()
    assert caplog.text == ""

    Notifier("/nowhere").ready()
    assert "systemd could not be notified: No such file or directory" in caplog.text


def test_systemd_accepts_only_a_process_of_the_same_unit() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert Notifier("/run/systemd/notify").refusal(os.getpid()) == ""
    assert "'systemctl reload'" in Notifier("/run/systemd/notify").refusal(ended.pid)
    assert Notifier("").refusal(ended.pid) == ""
