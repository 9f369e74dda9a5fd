"""Documents that come in as lines of JSON and are answered as they come, in their order.

body -> lines -> groups -> linked in threads, a few groups at a time -> answers

A group is read only when there is room for it, and there is room once an answer has been taken: who reads slowly is
read slowly, and no more than a few groups are ever in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import ProblemError, internal_error, problem_body
from app.jobs.cutting import checked
from app.jobs.linking import TOGETHER, link_documents
from app.jobs.reading import MAX_DOCUMENT_BYTES, Columns, Reject, parse_line, too_long
from app.runtime import Runtime
from app.service import Service

GROUP_BYTES = (
    16_384  # of lines that are linked together: enough to keep the encoder busy, little enough to be soon done
)
NDJSON = "application/x-ndjson"

Answers = asyncio.Queue[asyncio.Future[bytes] | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the body: its number, from 1 on, and its content; None where it is too long for a document."""

    number: int
    content: bytes | None


class Lines:
    """Cuts what arrives into lines. Of a line that is too long, no more is kept than a document may have."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False
        self._number = 0

    def add(self, part: bytes) -> Iterator[Line]:
        """Yield the lines that a part of the body completes, without those that are empty."""
        *whole, rest = part.split(b"\n")
        for piece in whole:
            self._keep(piece)
            yield from self.end()
        self._keep(rest)

    def end(self) -> Iterator[Line]:
        """Yield the line that ends here."""
        self._number += 1
        content, skipped = bytes(self._rest), self._skipping
        self._rest.clear()
        self._skipping = False
        if skipped or content.strip():
            yield Line(self._number, None if skipped else content)

    def next_line(self, error: ProblemError, request_id: str) -> bytes:
        """Return what is answered where the next line would be."""
        return problem_line(self._number + 1, error, request_id)

    def _keep(self, piece: bytes) -> None:
        if len(self._rest) + len(piece) > MAX_DOCUMENT_BYTES:
            self._skipping = True
            self._rest.clear()
        if not self._skipping:
            self._rest += piece


def grouped(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Put lines together that are linked together."""
    group: list[Line] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line.content or b"")
        if len(group) >= TOGETHER or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


@dataclass(frozen=True, slots=True)
class Stream:
    """A request whose lines are answered.

    Attributes:
        request: where they come from.
        runtime: where they are linked.
        service: the knowledge base to link to.
        columns: what the documents call their fields.
        options: as `POST /v1/annotate` has them.
    """

    request: Request
    runtime: Runtime
    service: Service
    columns: Columns
    options: dict[str, Any]

    async def answer(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send the answers, some lines at a time, until the body ends or the client has gone."""
        linking: Answers = asyncio.Queue(self.runtime.pool.threads)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(linking, tasks))
            while (answer := await linking.get()) is not None:
                await send(await answer)

    async def _read(self, linking: Answers, tasks: asyncio.TaskGroup) -> None:
        """Read lines, and put what will be their answers into the queue; None at the end."""
        lines, position = Lines(), 0
        try:
            async for part in self.request.stream():
                for group in grouped(lines.add(part) if part else lines.end()):
                    await linking.put(tasks.create_task(self._link(group, position)))
                    position += len(group)
        except ProblemError as error:
            ending = asyncio.get_running_loop().create_future()
            ending.set_result(lines.next_line(error, self._request_id))
            await linking.put(ending)
        except ClientDisconnect:
            pass
        await linking.put(None)

    async def _link(self, group: list[Line], position: int) -> bytes:
        return await self.runtime.pool.run_admitted(lambda: self._link_now(group, position))

    def _link_now(self, group: list[Line], position: int) -> bytes:
        """Return the answers to a group of lines; runs in a thread."""
        read = (self._parsed(line) for line in group)
        items = [item for _, item in checked(read, position, self.options, self.service.settings)]
        documents = [item for item in items if not isinstance(item, Reject)]
        try:
            answers = self._linked(documents)
        except Exception as error:  # the other groups are answered nevertheless
            problem = internal_error(error, self._request_id)
            return b"".join(problem_line(line.number, problem, self._request_id) for line in group)
        return b"".join(
            problem_line(line.number, ProblemError("invalid-request", item.errors), self._request_id)
            if isinstance(item, Reject)
            else next(answers)
            for line, item in zip(group, items, strict=True)
        )

    def _parsed(self, line: Line) -> dict[str, Any] | Reject:
        place = f"line {line.number}"
        return too_long(place) if line.content is None else parse_line(line.content, place, self.columns)

    def _linked(self, documents: list[dict[str, Any]]) -> Iterator[bytes]:
        """Link documents, and return an iterator over a line of answer for each."""
        metrics, linker = self.runtime.metrics, self.service.linker
        linked = link_documents(self.service, documents, self.options, self.runtime.nil)
        metrics.count_linked(len(documents), linked.mentions, linked.links, linker.wordpieces)
        return iter(linked.result.splitlines(keepends=True))

    @property
    def _request_id(self) -> str:
        return str(self.request.scope.get("namesake.request_id", ""))


class StreamResponse(Response):
    """Sends answers as they come.

    Starlette's own reads the request meanwhile, to notice that the client has gone; here the body is still to be read.
    """

    media_type = NDJSON

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the stream receives
        """Send the answers."""

        async def send_part(part: bytes) -> None:
            await send({"type": "http.response.body", "body": part, "more_body": True})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._stream.answer(send_part)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def problem_line(number: int, error: ProblemError, request_id: str) -> bytes:
    """Return what is answered to a line that cannot be linked."""
    return orjson.dumps({"line": number, "error": problem_body(error, request_id)}) + b"\n"
