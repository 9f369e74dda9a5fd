"""What `namesake annotate` writes: chunk by chunk into files beside the wanted one, so that it can go on after any end.

`OUT.partial` and `OUT.rejects.jsonl` grow by a chunk at a time, and then `OUT.journal` by the line that says how long
they are: what stands behind the last whole line was cut off and is written again.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import orjson

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """How far the output is.

    Attributes:
        items: documents and rejects that were read.
        written: bytes of the partial result.
        rejected: bytes of the rejects.
    """

    items: int = 0
    written: int = 0
    rejected: int = 0


class OtherInput(ValueError):  # noqa: N818
    """What an earlier run left belongs to another input, other options or another model: --force begins anew."""


class Output:
    """The files beside `out`.

    Args:
        out: the file that is wanted.
        fingerprint: what must be the same to go on with what an earlier run left.
        fresh: forget what an earlier run left.

    Raises:
        OtherInput: what it left is of something else.
        OSError: the files cannot be written.
    """

    def __init__(self, out: Path, fingerprint: Json, *, fresh: bool) -> None:
        self.out = out
        self.partial, self.rejects, self._journal = (
            out.with_name(out.name + ending) for ending in (".partial", ".rejects.jsonl", ".journal")
        )
        if fresh:
            self._journal.unlink(missing_ok=True)
        self.done = self._resumed(fingerprint)
        for path, size in ((self.partial, self.done.written), (self.rejects, self.done.rejected)):
            path.touch()
            os.truncate(path, size)
        self._files: list[IO[bytes]] = [path.open("ab") for path in (self.partial, self.rejects, self._journal)]
        if self._journal.stat().st_size == 0:
            self._append(2, orjson.dumps(fingerprint, option=orjson.OPT_SORT_KEYS) + b"\n")

    def _resumed(self, fingerprint: Json) -> Done:
        """Return how far an earlier run came, with its journal cut off after the last whole line."""
        if not self._journal.exists():
            return Done()
        lines = self._journal.read_bytes().split(b"\n")[:-1]
        if lines and orjson.loads(lines[0]) != orjson.loads(orjson.dumps(fingerprint)):
            raise OtherInput(OtherInput.__doc__)
        os.truncate(self._journal, sum(len(line) + 1 for line in lines))
        return Done(**orjson.loads(lines[-1])) if len(lines) > 1 else Done()

    def add(self, items: int, result: bytes, rejects: bytes) -> None:
        """Write a chunk: once this returns, it is never written again.

        Raises:
            OSError: the disk is full, say; what was written before stays.
        """
        self._append(0, result)
        self._append(1, rejects)
        self.done = Done(self.done.items + items, self.done.written + len(result), self.done.rejected + len(rejects))
        self._append(2, orjson.dumps(asdict(self.done)) + b"\n")

    def _append(self, which: int, content: bytes) -> None:
        if content:
            file = self._files[which]
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close the files; the next run goes on where this one is."""
        for file in self._files:
            file.close()

    def finish(self, made: Path) -> None:
        """Put the whole result in its place, and remove what is no longer needed.

        Args:
            made: the file that holds it: the partial result, or what was made of it.
        """
        self.close()
        made.replace(self.out)
        if not self.done.rejected:
            self.rejects.unlink()
        self.partial.unlink(missing_ok=True)
        self._journal.unlink()
