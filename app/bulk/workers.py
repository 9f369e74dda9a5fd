"""Chunks of documents, linked in order by one process or several; all open the same index, which is in memory once."""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any

from app.jobs.linking import LinkedChunk, link_chunk
from app.jobs.store import Chunk
from app.service import Service, open_service
from app.settings import Settings

AHEAD = 2  # chunks a worker that are read before they are needed

_opened = ExitStack()
_service: Service | None = None


def linked_chunks(
    chunks: Iterator[Chunk], settings: Settings, options: dict[str, Any], workers: int, *, keep_text: bool
) -> Iterator[tuple[Chunk, LinkedChunk]]:
    """Yield chunks with their results, in their order.

    Args:
        chunks: the documents.
        settings: of each process.
        options: as `AnnotateMany` has them.
        workers: processes; with 1, this one links.
        keep_text: add the `text` of its document to each answer.

    Raises:
        BrokenProcessPool: a worker was killed.
    """
    if workers == 1:
        with open_service(settings) as service:
            for chunk in chunks:
                yield chunk, link_chunk(service, chunk.input, options, None, keep_text=keep_text)
        return
    cores = len(os.sched_getaffinity(0))
    shared = settings.model_copy(update={"threads": settings.threads or max(1, cores // workers)})
    # A forked process would share locks with threads that it does not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_open, initargs=(shared,)) as pool:
        waiting: deque[tuple[Chunk, Future[LinkedChunk]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, pool.submit(_link, chunk.input, options, keep_text)))
            if len(waiting) > AHEAD * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for chunk, future in waiting:
            yield chunk, future.result()


def _open(settings: Settings) -> None:
    global _service
    _service = _opened.enter_context(open_service(settings))
    # A worker ends without what the interpreter does at its end: a database of its own would be left running.
    multiprocessing.util.Finalize(None, _opened.close, exitpriority=0)


def _link(documents: bytes, options: dict[str, Any], keep_text: bool) -> LinkedChunk:
    assert _service is not None  # noqa: S101 - the pool's initialiser opened it
    return link_chunk(_service, documents, options, None, keep_text=keep_text)
