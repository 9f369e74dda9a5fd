"""What surrounds every request: its id, its line in the log, its count in the metrics, and the limit on its body."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import uuid
from collections.abc import Collection, Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.callers import CALLER, Caller
from app.errors import ProblemError, internal_error, problem_response
from app.metrics import Metrics
from app.schemas.problem import FieldProblem
from kb.keys import hide_keys

log = structlog.get_logger("namesake.access")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
BODY_PATIENCE = 30.0  # seconds to wait for the next part of a body
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds by machines


class RequestContext:
    """Gives each request an id (the caller's own, if it is short and plain), and logs and counts its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        plain = REQUEST_ID.fullmatch(given) and hide_keys(given) == given
        request_id = given if plain else uuid.uuid4().hex
        scope["namesake.request_id"] = request_id
        status = 0
        began = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            if status:  # the answer has begun: all that is left is to break the connection
                raise
            response = problem_response(internal_error(error, request_id), request_id)
            await response(scope, receive, send_with_id)
        finally:
            self._note(scope, request_id, status, time.perf_counter() - began)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        # The template, not the path: every entity's own path would be a time series of its own.
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"} else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        write = log.debug if scope["path"] in QUIET and status < 400 else log.info
        caller: Caller | None = scope.get(CALLER)
        named = {"key": caller.key.label} if caller is not None and caller.key is not None else {}
        write(
            "request",
            request_id=request_id,
            method=scope["method"],
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 1),
            client=(scope.get("client") or ("-",))[0],
            **named,
        )


class BodyLimit:
    """Refuses a body that is too large: by its Content-Length, and, as that may be absent or a lie, while it arrives.

    Some addresses take files, of another size, and some take streams, which are as long as they like.

    One that stops arriving (cut off, or shorter than announced) is refused too: its connection would stay for ever.

    FastAPI has a limit of its own, but it answers plain text where every other error is problem+json.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: int,
        files: Mapping[str, int] | None = None,
        streams: Collection[str] = (),
        patience: float = BODY_PATIENCE,
    ) -> None:
        self._app = app
        self._limit = limit
        self._files = files or {}
        self._streams = streams
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        path = scope["path"]
        limit = sys.maxsize if path in self._streams else self._files.get(path, self._limit)
        if announced.isascii() and announced.isdigit() and int(announced) > limit:
            error = self._error(f"{announced} bytes are announced", path)
            response = problem_response(error, scope["namesake.request_id"])
            await response(scope, receive, send)
            return
        received, complete = 0, False

        async def receive_counted() -> Message:
            nonlocal received, complete
            # After the body, all that can arrive is that the client has gone.
            message = await receive() if complete else await self._receive(receive, received)
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > limit:
                raise self._error("the body has more bytes", path)
            return message

        await self._app(scope, receive_counted, send)

    async def _receive(self, receive: Receive, received: int) -> Message:
        try:
            return await asyncio.wait_for(receive(), self._patience)
        except TimeoutError:
            detail = f"{received} bytes have arrived, and no more for {self._patience:g} seconds"
            remedy = "send the whole body, and its length in bytes (not characters) as Content-Length"
            error = FieldProblem(field="body", detail=detail, remedy=remedy)
            raise ProblemError("body-incomplete", [error], headers={"Connection": "close"}) from None

    def _error(self, what: str, path: str) -> ProblemError:
        limit = self._files.get(path, self._limit)
        parts, setting = (
            ("several jobs", "JOB_MAX_BYTES") if path in self._files else ("several requests", "MAX_BODY_BYTES")
        )
        detail = f"{what}, at most {limit} are taken"
        remedy = f"send the texts in {parts}, or raise NAMESAKE_{setting} on the server"
        return ProblemError("body-too-large", [FieldProblem(field="body", detail=detail, remedy=remedy)])
