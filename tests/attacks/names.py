"""Names of globals that could bypass an allow-list."""

import pickle

from tests.attacks.attack import Attack
from tests.attacks.opcodes import called, named, program, text


def _raw(first: str, *lines: str) -> bytes:
    return "".join((first, *(f"{line}\n" for line in lines))).encode()


ATTACKS = [
    Attack(
        "a dotted name through sklearn's numpy",
        "joblib",
        lambda c: program(called("sklearn.preprocessing._data", "np.savetxt", c.path, "x")),
    ),
    Attack(
        "a dotted name to os through a module on the list",
        "joblib",
        lambda c: program(called("joblib.numpy_pickle", "os.system", c.command)),
        fires=True,
    ),
    Attack(
        "a dotted name to the globals of a method",
        "joblib",
        lambda c: program(named("sklearn.pipeline", "Pipeline.__init__.__globals__")),
    ),
    Attack(
        "a dotted name to the subclasses of a class",
        "joblib",
        lambda c: program(called("sklearn.pipeline", "Pipeline.__subclasses__")),
    ),
    Attack(
        "a class by the module that only imports it",
        "joblib",
        lambda c: program(named("sklearn.ensemble._base", "joblib.memory.Memory")),
    ),
    Attack(
        "a module of the package on the list, one name further",
        "joblib",
        lambda c: program(called("joblib", "dump", 1, c.path)),
        fires=True,
    ),
    Attack(
        "the GLOBAL opcode of protocol 0",
        "joblib",
        lambda c: _raw("c", "posix", "system") + _raw("(S", repr(c.command)) + b"tR.",
        fires=True,
    ),
    Attack(
        "Python 2's name for builtins",
        "joblib",
        lambda c: _raw("c", "__builtin__", "eval") + _raw("(S", repr(c.code)) + b"tR.",
        fires=True,
    ),
    Attack(
        "Python 2's name for copyreg",
        "joblib",
        lambda c: (
            _raw("c", "copy_reg", "_reconstructor")
            + _raw("(c", "os", "_wrap_close")
            + _raw("c", "__builtin__", "object")
            + b"NtR."
        ),
    ),
    Attack(
        "the INST opcode",
        "joblib",
        lambda c: _raw("(S", repr(c.command)) + _raw("i", "posix", "system") + b".",
        fires=True,
    ),
    Attack(
        "the OBJ opcode",
        "joblib",
        lambda c: program(pickle.MARK, named("posix", "system"), text(c.command), pickle.OBJ),
        fires=True,
    ),
    Attack(
        "an extension code",
        "joblib",
        lambda c: program(pickle.EXT1 + b"\x01"),
    ),
    Attack(
        "a persistent id",
        "joblib",
        lambda c: program(text(c.path), pickle.BINPERSID),
    ),
    Attack(
        "a name in letters that look alike",
        "joblib",
        lambda c: program(named("sklearn.pipeline", "Pip\u0435line")),
    ),
    Attack(
        "a name with a byte of nothing",
        "joblib",
        lambda c: program(named("posix", "system\x00")),
    ),
    Attack(
        "a name that is no text",
        "joblib",
        lambda c: program(5, 6, pickle.STACK_GLOBAL),
    ),
    Attack(
        "names fetched from the memo",
        "joblib",
        lambda c: program(
            text("posix"),
            pickle.BINPUT + b"\x01",
            pickle.POP,
            text("system"),
            pickle.BINPUT + b"\x02",
            pickle.POP,
            pickle.BINGET + b"\x01",
            pickle.BINGET + b"\x02",
            pickle.STACK_GLOBAL,
            text(c.command),
            pickle.TUPLE1,
            pickle.REDUCE,
        ),
        fires=True,
    ),
]
