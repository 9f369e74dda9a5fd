"""Writing exported files, so that nobody ever sees half of one."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import IO

from sqlalchemy.orm import Session

from kb import queries
from kb.records import EntityRecord
from kb.redirects import former_ids_by_entity

STDOUT = Path("-")


class Told:
    """The entities of a knowledge base with their former ids, sorted by id; tells how many have been read.

    Attributes:
        total: how many they are.
    """

    def __init__(self, session: Session, namespace: str, progress: Callable[[str, int, int], None]) -> None:
        self._session = session
        self._namespace = namespace
        self._progress = progress
        self._former = former_ids_by_entity(session, namespace)
        self.total = queries.count_entities(session, namespace)

    def __iter__(self) -> Iterator[EntityRecord]:
        """Yield them."""
        for done, entity in enumerate(queries.stream_entities(self._session, self._namespace), start=1):
            former = self._former.get(entity.id)
            yield replace(entity, redirects=tuple(former)) if former else entity
            if done % 1000 == 0 or done == self.total:
                self._progress("entities", done, self.total)


def write(path: Path, chunks: Generator[bytes]) -> None:
    """Write a file; a name that ends in .gz is compressed, and `-` is standard output.

    Raises:
        OSError: it cannot be written; what stood there before stays.
    """
    # Closed, also after a failure: they read from a cursor of the server.
    with closing(chunks):
        if path == STDOUT:
            sys.stdout.buffer.writelines(chunks)
            return
        partial = path.with_name(f"{path.name}.partial")
        try:
            with _open(partial, compressed=path.suffix == ".gz") as file:
                file.writelines(chunks)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _open(path: Path, *, compressed: bool) -> IO[bytes]:
    return gzip.GzipFile(path, "wb", mtime=0) if compressed else path.open("wb")  # type: ignore[return-value]
