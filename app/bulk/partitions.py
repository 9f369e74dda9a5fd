"""The folder that `namesake annotate --engine ray` writes: a file for each part of the input, whole or not there.

`part-00000.jsonl` and so on hold the answers. Beside them, with names that whoever reads such folders leaves out:
`_rejects` has what could not be read, a file for each part that has any; `_work` what is being written; `_plan.json`
what must be the same to go on.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import orjson

from app.bulk.convert import convert
from app.bulk.output import OtherInput
from app.bulk.parts import Part, read_part
from app.jobs.cutting import checked, in_chunks
from app.jobs.linking import link_chunk
from app.jobs.reading import Columns
from app.service import Service

Json = dict[str, Any]
PartitionFormat = Literal["jsonl", "parquet"]


TRIES = 4  # of a part; then it is likely that the part is why its process is killed


class KilledAgain(RuntimeError):  # noqa: N818
    """Each process that worked on this part was killed, perhaps because a machine's memory was used up.

    Fewer --workers need less.
    """


class NotOurs(ValueError):  # noqa: N818
    """The folder has files that Namesake did not write there: name a new one."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """The folder, and what becomes of the documents of a part.

    Attributes:
        out: the folder, which every machine sees.
        kind: of its files.
        columns: what the fields of documents are called.
        options: as `AnnotateMany` has them.
    """

    out: Path
    kind: PartitionFormat
    columns: Columns
    options: Json

    def begin(self, fingerprint: Json, *, fresh: bool) -> None:
        """Make the folder, or look whether what an earlier run left in it can be gone on with.

        Args:
            fingerprint: what must be the same for that.
            fresh: forget what an earlier run left.

        Raises:
            NotOurs: it has other files.
            OtherInput: what it left is of something else.
            OSError: the folder cannot be written.
        """
        plan = self.out / "_plan.json"
        if not plan.exists():
            if self.out.exists() and any(path != self._work for path in self.out.iterdir()):
                raise NotOurs(NotOurs.__doc__)
        elif fresh:
            self._forget()
        elif orjson.loads(plan.read_bytes()) != orjson.loads(orjson.dumps(fingerprint)):
            raise OtherInput(OtherInput.__doc__)
        shutil.rmtree(self._work, ignore_errors=True)  # what processes left that were killed
        self._work.mkdir(parents=True)
        self.rejects.mkdir(exist_ok=True)
        self._put(plan, orjson.dumps(fingerprint, option=orjson.OPT_SORT_KEYS))

    def _forget(self) -> None:
        for path in self.out.glob("part-*"):
            path.unlink()
        shutil.rmtree(self.rejects, ignore_errors=True)

    @property
    def rejects(self) -> Path:
        """The folder of what could not be read."""
        return self.out / "_rejects"

    @property
    def _work(self) -> Path:
        return self.out / "_work"

    def path_of(self, part: int) -> Path:
        """Return the file of a part's answers: it is there when all of them are in it."""
        return self.out / f"part-{part:05}.{self.kind}"

    def end(self) -> None:
        """Remove what is no longer needed when all parts are there."""
        shutil.rmtree(self._work)
        if not any(self.rejects.iterdir()):
            self.rejects.rmdir()

    def write(self, service: Service, part: Part) -> Json:
        """Link the documents of a part and put its file in place; one that two processes write is the same twice.

        Returns:
            How many `documents`, `rejects`, `mentions` and `links` it has.

        Raises:
            UnreadableInput: the input is damaged.
            KilledAgain: it was tried often enough.
            OSError: the disk is full, say.
        """
        if len(list(self._work.glob(f"{part.number}.*"))) >= TRIES:  # one that fails removes its file, if it lives
            raise KilledAgain(" ".join(str(KilledAgain.__doc__).split()))
        answers = self._temporary(f"{part.number}.")
        try:
            with answers.open("wb") as file:
                counts, rejected = self._link(service, part, file)
                _flush(file)
            if rejected:
                self._put(self.rejects / f"part-{part.number:05}.jsonl", rejected)
            if self.kind == "jsonl":
                answers.replace(self.path_of(part.number))
            else:
                self._put_table(answers, part)
        finally:
            answers.unlink(missing_ok=True)
        return counts

    def _link(self, service: Service, part: Part, file: IO[bytes]) -> tuple[Json, bytes]:
        counts = dict.fromkeys(("documents", "rejects", "mentions", "links"), 0)
        rejected = b""
        items = checked(read_part(part, self.columns), part.first, self.options, service.settings)
        for chunk in in_chunks(items):
            linked = link_chunk(service, chunk.input, self.options, None)
            file.write(linked.result)
            rejected += _with_file(chunk.rejected or b"", part.path)
            found = (chunk.documents, chunk.rejects, linked.mentions, linked.links)
            counts = {name: counts[name] + more for name, more in zip(counts, found, strict=True)}
        return counts, rejected

    def _put_table(self, answers: Path, part: Part) -> None:
        table = self._temporary()
        try:
            convert(answers, table, self.kind)
            with table.open("rb") as file:
                os.fsync(file.fileno())
            table.replace(self.path_of(part.number))
        finally:
            table.unlink(missing_ok=True)

    def _put(self, path: Path, content: bytes) -> None:
        temporary = self._temporary()
        with temporary.open("wb") as file:
            file.write(content)
            _flush(file)
        temporary.replace(path)

    def _temporary(self, name: str = "") -> Path:
        # A machine that is cut off may still write a part that another one has begun anew.
        return self._work / (name + uuid.uuid4().hex)


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _with_file(rejected: bytes, path: str) -> bytes:
    return b"".join(orjson.dumps({"file": path} | orjson.loads(line)) + b"\n" for line in rejected.splitlines())
