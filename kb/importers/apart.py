"""Reading a large file of entities in a process of its own.

Decoding, checking and staging lines takes as long as writing them; in one process of Python the two would take turns.
The other process is a new program, not a fork: a fork would go on holding the locks and connections of this one. It
sends one batch after the other through a pipe, waits while the pipe is full, and ends as soon as nobody reads it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from subprocess import DEVNULL, Popen
from threading import Thread
from typing import Any

from kb.importers.checks import Rejected
from kb.importers.formats import Reading, open_reader
from kb.importers.lines import STDIN
from kb.importers.reading import Batch, rare_garbage_collection, read_batches
from kb.importers.report import ImportFailed
from kb.staging import Staged

LARGE_BYTES = 1 << 20
"""A file of this size on disk is read by another process; below, starting one would take longer than it saves."""


@contextmanager
def open_batches(path: Path, how: Reading, size: int) -> Iterator[Iterator[Batch]]:
    """Yield the batches of a file, which are read while they are asked for.

    Args:
        path: the file; `-` is standard input.
        how: how to read it.
        size: entities in a batch.
    """
    if _is_large(path):
        with _other_process(path, how, size) as batches:
            yield batches
    else:
        with closing(open_reader(path, how)) as lines:
            yield read_batches(lines, size)


def _is_large(path: Path) -> bool:
    """Tell whether another process should read the file: also standard input, unless that is not the process's own."""
    return sys.stdin is sys.__stdin__ if path == STDIN else path.stat().st_size >= LARGE_BYTES


@contextmanager
def _other_process(path: Path, how: Reading, size: int) -> Iterator[Iterator[Batch]]:
    receiving, sending = Pipe(duplex=False)
    with receiving:
        with sending:
            arguments = [str(sending.fileno()), str(path), str(size), how.dumps()]
            process = Popen(
                [sys.executable, "-P", "-m", __name__, *arguments],
                stdin=None if path == STDIN else DEVNULL,
                pass_fds=[sending.fileno()],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        try:
            yield _received(receiving, process)
        finally:
            process.kill()
            process.wait()


def _received(connection: Connection, process: Popen[bytes]) -> Iterator[Batch]:
    """Yield what the other process sends.

    Raises:
        OSError: it could not read the file.
        ImportFailed: the file is not what it should be, or the process ended before it had sent everything.
    """
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):  # the end of the pipe, between two messages or in the midst of one
            raise _ended_early(process.wait()) from None
        if message is None:
            return
        if isinstance(message, (OSError, ImportFailed)):
            raise message
        yield _unpacked(*message)


def _ended_early(code: int) -> ImportFailed:
    how = f"was ended by signal {-code}; it may have needed too much memory" if code < 0 else f"ended with {code}"
    remedy = "What was committed stays: import the same file again, and it goes on there."
    return ImportFailed(f"The process that reads the file {how}. {remedy}")


_OTHERS = ("unknown_fields", "read", "line", "done_bytes", "damage", "classes", "redirects")


def _packed(batch: Batch) -> tuple[Any, ...]:
    """Return a batch as plain tuples: they are pickled in half the time that objects take."""
    staged = [(number, tuple(item)) for number, item in batch.staged]
    rejected = [(number, why.field, why.error, why.remedy, raw) for number, why, raw in batch.rejected]
    others = (getattr(batch, name) for name in _OTHERS)
    return staged, rejected, *others


def _unpacked(staged: list[Any], rejected: list[Any], *others: Any) -> Batch:
    return Batch(
        [(number, Staged._make(item)) for number, item in staged],
        [(number, Rejected(*reason), raw) for number, *reason, raw in rejected],
        *others,
    )


def _main(handle: str, path: str, size: str, how: str) -> None:
    """Be the other process: send the batches of a file, and None after the last one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with Connection(int(handle), readable=False) as connection, rare_garbage_collection():
        Thread(target=_end_when_unread, args=(connection.fileno(),), daemon=True).start()
        try:
            with closing(open_reader(Path(path), Reading.loads(how))) as lines:
                for batch in read_batches(lines, int(size)):
                    connection.send(_packed(batch))
            connection.send(None)
        except BrokenPipeError:
            return
        except (OSError, ImportFailed) as error:
            connection.send(error)


def _end_when_unread(handle: int) -> None:
    """End this process when the other end of its pipe is closed, whatever else it does or waits for."""
    poll = select.poll()
    poll.register(handle, 0)  # that nobody reads is always told
    poll.poll()
    os._exit(1)


if __name__ == "__main__":
    _main(*sys.argv[1:])
