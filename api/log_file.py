"""The log file, which several workers append to and other programs may rotate."""

import io
import logging
import sys
from logging.handlers import WatchedFileHandler


class LogFile(WatchedFileHandler):
    """Appends each entry with a single write, so that those of several processes do not mix.

    Reopens the file when it was moved or removed (logrotate), without a signal. If it cannot be
    written, entries go to standard error. Raises OSError if it cannot be opened at first.
    """

    def _open(self) -> io.TextIOWrapper:
        # Without a buffer, which would keep an entry that could not be written, and try again.
        raw = io.FileIO(self.baseFilename, "a")
        return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # it cannot be reopened
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the handler's own name
        sys.stderr.write(f"{self.format(record)}\n")
