"""What a confined process tries, for real, and is refused."""

import os
import signal
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from registry.confinement.limits import MAX_MEMORY, MEGABYTE, Limits
from tests.integration.confinement.conftest import begin, refused, reported
from tests.marks import first_fast

# The numbers differ between machines; these tests ask for what Python has no function for.
IO_URING_SETUP, MEMFD_SECRET, BPF, USERFAULTFD, KEYCTL = {
    "x86_64": (425, 447, 321, 323, 250),
    "aarch64": (425, 447, 280, 282, 219),
}[os.uname().machine]
PTRACE_ATTACH = 16
CLONE_NEWUSER = 0x10000000


@pytest.fixture
def secret(tmp_path):
    """A file that everybody on the machine may read and write."""
    path = tmp_path / "secret"
    path.write_text("the secret")
    path.chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.owner() == Path.home().owner() and not folder.stat().st_mode & stat.S_ISVTX:
            folder.chmod(0o777)
    return path


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "/etc/shadow", "/etc/hostname", "/proc/self/environ", "/proc/1/cmdline"),
        *("/proc/self/mem", "/dev/zero", "/dev/null", "/sys/kernel/notes", "/run/utmp"),
    ],
)
def test_it_cannot_read_the_system(attempt, path):
    assert refused(attempt("read", path))


@pytest.mark.parametrize(
    "path", ["/", "/home", "/root", tempfile.gettempdir(), "/proc", "/run", "/run/confined"]
)
def test_it_cannot_list_the_system(attempt, path):
    assert refused(attempt("list_folder", path))


def test_it_cannot_read_a_file_that_is_open_to_all(attempt, secret):
    assert refused(attempt("read", str(secret)))
    assert refused(attempt("read", f"/proc/{os.getpid()}/root{secret}"))
    assert refused(attempt("list_folder", str(secret.parent)))


def test_it_cannot_read_files_next_to_the_package(attempt):
    root = Path(__file__).parents[3]

    assert refused(attempt("read", str(root / "pyproject.toml")))
    assert refused(attempt("list_folder", str(root)))


def test_it_reads_its_own_libraries(attempt):
    assert attempt("read", os.__file__)["succeeded"]


def test_it_cannot_read_the_home(attempt):
    with tempfile.NamedTemporaryFile(dir=Path.home()) as file:
        Path(file.name).chmod(0o666)
        assert refused(attempt("read", file.name))


@pytest.mark.parametrize(
    "path",
    [f"{tempfile.gettempdir()}/x", "/x", "/run/x", "/run/confined/x", "/var/x", os.__file__],
)
def test_it_cannot_write_anywhere(attempt, path):
    file = Path(path)
    before = file.read_bytes() if file.exists() else None

    assert refused(attempt("write", path))
    assert (file.read_bytes() if file.exists() else None) == before


def test_it_cannot_write_a_file_that_is_open_to_all(attempt, secret):
    assert refused(attempt("write", str(secret)))
    assert refused(attempt("write", str(secret.parent / "other")))
    assert secret.read_text() == "the secret"


def test_it_can_write_to_its_own_folder_which_is_removed_afterwards(attempt):
    written = attempt("write_into_own_folder")

    assert written["succeeded"], written
    assert not Path(written["result"]).parent.exists()


@pytest.mark.parametrize(
    ("name", "amount"),
    [("fill_own_folder", 10**10), ("fill_own_folder_with_many", 10**10), ("make_files", 10**7)],
)
def test_the_size_of_its_folder_is_limited(attempt, name, amount):
    filled = attempt(name, amount, limits=Limits(cpu_seconds=10, folder=4 * MEGABYTE))

    assert "No space left" in filled["error"] or "File too large" in filled["error"]


def test_it_cannot_look_into_the_folders_of_others(spawner):
    with begin(spawner, "sleep"), begin(spawner, "look_into_folders_of_others") as nosy:
        answer = reported(nosy)
    assert answer["succeeded"], answer
    found = answer["result"]

    assert found["PermissionError"] >= 1, "no other folder was there"
    assert "seen" not in found


def test_each_process_has_its_own_user(spawner):
    with begin(spawner, "sleep"), begin(spawner, "who") as one, begin(spawner, "who") as two:
        users = [reported(process)["result"]["user"] for process in (one, two)]

    if os.getuid() == 0:
        assert users[0] != users[1]
        assert 0 not in users
    else:
        assert users[0] == users[1]


def test_it_has_no_open_files_except_its_channel(attempt):
    found = attempt("who")["result"]

    assert len(found["open"]) == 4
    assert set(found["streams"]) == {Path("/dev/null").stat().st_rdev}


@pytest.fixture
def listeners(tmp_path):
    """Sockets of this process that anybody may connect to, by what they are."""
    tcp, udp = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    path = tmp_path / "s"
    named, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    name = f"\0hotswap-test-{os.getpid()}"
    named.bind(str(path))
    path.chmod(0o777)
    abstract.bind(name)
    for listening in (named, abstract):
        listening.listen()
    made = (tcp, udp, named, abstract)
    yield {
        "tcp": ("AF_INET", "SOCK_STREAM", list(tcp.getsockname())),
        "udp": ("AF_INET", "SOCK_DGRAM", list(udp.getsockname())),
        "unix": ("AF_UNIX", "SOCK_STREAM", str(path)),
        "abstract": ("AF_UNIX", "SOCK_STREAM", name),
    }
    for each in made:
        each.close()


@pytest.mark.parametrize("kind", ["tcp", "udp", "unix", "abstract"])
def test_it_cannot_connect_to_anything(attempt, listeners, kind):
    assert refused(attempt("reach", *listeners[kind]))


def test_it_cannot_listen_or_talk_to_itself(attempt):
    assert refused(attempt("listen", "127.0.0.1"))
    assert refused(attempt("pair_with_itself"))


@pytest.mark.parametrize("name", ["fork", "start_program", "replace_itself", "start_thread"])
def test_it_cannot_create_processes(attempt, name):
    assert refused(attempt(name))


@pytest.mark.parametrize("number", [0, signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP])
def test_it_cannot_signal_the_service(attempt, number):
    assert refused(attempt("kill", os.getpid(), number))


@pytest.mark.parametrize("pid", [-1, 0, 1])
def test_it_cannot_signal_everybody(attempt, pid):
    assert refused(attempt("kill", pid, signal.SIGTERM))


def test_it_cannot_make_the_kernel_signal_the_service(attempt):
    assert refused(attempt("signal_by_terminal_input", os.getpid()))


def test_it_cannot_look_into_the_service(attempt):
    assert refused(attempt("call", "ptrace", PTRACE_ATTACH, os.getpid(), 0, 0))
    assert refused(attempt("read_memory_of", os.getpid()))
    assert refused(attempt("read", f"/proc/{os.getpid()}/maps"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("become_root", ()),
        ("call", ("unshare", CLONE_NEWUSER)),
        ("call", ("memfd_create", 0, 0)),
        ("call", ("inotify_init",)),
        ("call", ("setpriority", 0, 0, -20)),
        ("call", ("shmget", 1, 4096, 0o1666)),
        ("system_call", (IO_URING_SETUP, 1, 0)),
        ("system_call", (MEMFD_SECRET, 0)),
        ("system_call", (BPF, 0, 0, 0)),
        ("system_call", (USERFAULTFD, 0)),
        ("system_call", (KEYCTL, 0, -3, 1)),
        ("system_call", (100_000,)),
    ],
)
def test_it_cannot_make_other_system_calls(attempt, name, arguments):
    assert refused(attempt(name, *arguments))


@pytest.mark.parametrize("name", ["allocate", "map_memory"])
def test_its_memory_is_limited(attempt, name):
    assert refused(attempt(name, MAX_MEMORY))
    assert attempt(name, 10 * MEGABYTE)["succeeded"]


@pytest.mark.parametrize("name", ["RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_NPROC", "RLIMIT_FSIZE"])
def test_it_cannot_raise_its_limits(attempt, name):
    assert refused(attempt("raise_limit", name))


def test_its_open_files_are_limited(attempt):
    assert refused(attempt("open_many", 100))


@pytest.mark.parametrize("name", first_fast(["spin", "spin_and_ignore_signals"]))
def test_its_processor_time_is_limited(attempt, name):
    ended = attempt(name, limits=Limits(cpu_seconds=1))

    assert ended["ended"] in {"SIGXCPU", "SIGKILL"}


@pytest.mark.parametrize(("name", "how"), [("crash", "SIGSEGV"), ("abort", "SIGABRT")])
def test_the_cause_of_its_end_is_known(attempt, name, how):
    assert attempt(name) == {"succeeded": False, "ended": how}


@pytest.mark.slow  # a control of this file: it starts a process for each
def test_unconfined_most_of_these_attempts_succeed(unconfined, secret, listeners):
    """So that what is refused above is refused by the confinement."""
    for name, *arguments in (
        ("read", "/etc/passwd"),
        ("read", "/proc/self/environ"),
        ("read", str(secret)),
        ("list_folder", "/"),
        ("list_folder", str(Path(__file__).parents[3])),
        ("write", str(secret)),
        ("reach", *listeners["tcp"]),
        ("reach", *listeners["udp"]),
        ("reach", *listeners["unix"]),
        ("reach", *listeners["abstract"]),
        ("listen", "127.0.0.1"),
        ("pair_with_itself",),
        ("fork",),
        ("start_program",),
        ("start_thread",),
        ("kill", os.getpid(), 0),
        ("call", "inotify_init"),
        ("open_many", 100),
    ):
        done = unconfined(name, *arguments)
        assert done["succeeded"], (name, arguments, done)
