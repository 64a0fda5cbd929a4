"""The exit codes of the commands, and their error messages on stderr.

0 success, 1 refused by the service, 2 wrong usage, 3 the service or a
cluster cannot be reached, 10 a retrained
model that is not better or a rollout that waits for somebody, 11 a rollout that ended without a
promotion; as in a shell, 130 when interrupted and 141 when the output was closed.
"""

import os
import sys
from typing import IO, Any

import click

from cli.formatting import one_line
from cli.lazy import LazyGroup
from registry.errors import Fault, Malformed, RegistryError

SAID_NO = 1
WRONG_USAGE = 2
UNREACHABLE = 3
NOT_BETTER = 10
HELD = 10
ROLLED_BACK = 11
INTERRUPTED = 130
PIPE_CLOSED = 141

REINSTALL = (
    "If hotswap-client is installed in this environment, uninstall it. Then install the service "
    "again with pip install --force-reinstall --no-deps, or with make serve."
)


class CommandFailed(click.ClickException):
    """Ends a command with a message, the faults, advice, and the exit code."""

    def __init__(
        self,
        message: str,
        exit_code: int,
        *,
        faults: tuple[Fault, ...] = (),
        advice: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click's own subclasses do it
        self.faults = faults
        self.advice = advice
        self.request_id = request_id

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the failure to ``file``, stderr unless given."""
        lines = [f"Error: {one_line(self.message)}"]
        lines += [f"  {one_line(fault.at)}: {one_line(fault.message)}" for fault in self.faults]
        if self.advice:
            lines.append(self.advice)
        if self.request_id:
            lines.append(f"Request id: {one_line(self.request_id)}")
        click.echo("\n".join(lines), file=file, err=file is None)


class ExitCodes(LazyGroup):
    """The group of all commands: turns every expected failure into a message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Any exception other than click's own is a bug."""
        try:
            result = super().invoke(ctx)
            # Flushed here, because an error at the interpreter's exit could not be silenced.
            sys.stdout.flush()
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            _silence_stdout()
            ctx.exit(PIPE_CLOSED)
        except RegistryError as error:
            raise failure_of(error) from error
        except UnicodeEncodeError as error:
            message = f"{error.object!a} is not valid UTF-8."
            raise CommandFailed(message, WRONG_USAGE) from error
        except ImportError as error:
            if (error.name or "").partition(".")[0] != "hotswap":
                raise
            message = f"The package hotswap is not installed completely: {error}."
            raise CommandFailed(message, SAID_NO, advice=REINSTALL) from error
        except OSError as error:
            _drop_unwritable_output()
            raise failure_of(error) from error
        return result


def failure_of(error: RegistryError | OSError) -> CommandFailed:
    """The failure of a command that ``error`` ends."""
    if isinstance(error, RegistryError):
        code = WRONG_USAGE if isinstance(error, Malformed) else SAID_NO
        return CommandFailed(error.detail, code, faults=error.faults)
    what = error.strerror or str(error)
    return CommandFailed(f"{error.filename}: {what}" if error.filename else what, WRONG_USAGE)


def _drop_unwritable_output() -> None:
    try:
        sys.stdout.flush()
    except OSError:  # a full disk: Python would report it again when it exits
        _silence_stdout()


def _silence_stdout() -> None:
    try:
        descriptor = sys.stdout.fileno()
    except OSError:
        return  # stdout has no file, so nothing is flushed at exit
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
