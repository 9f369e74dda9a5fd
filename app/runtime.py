"""The service inside a running application: opened in the background, asked for by every request, closed at the end.

The port answers at once. Until the service is open, or while it cannot be opened (no database, no weights, a broken
snapshot), requests get 503 with the reason and what to do, and opening is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog
from starlette.requests import Request

from app.errors import ProblemError
from app.expected import is_expected, message_of
from app.metrics import Metrics
from app.nil_mentions import NilCollector
from app.open_namespaces import OpenNamespaces
from app.pool import LinkPool
from app.schemas.problem import FieldProblem
from app.service import Service, open_service
from app.settings import Settings

if TYPE_CHECKING:
    from app.following import Follower

log = structlog.get_logger(__name__)

RETRY_SECONDS = (1, 2, 5, 10, 30, 60)
STARTING = "the service is starting: model and index are being loaded"
Opener = Callable[[Settings], AbstractContextManager[Service]]


def open_and_build(settings: Settings) -> AbstractContextManager[Service]:
    """Open the service, building a snapshot where there is none."""
    return open_service(settings, build=True)


class Runtime:
    """Holds the service of one application.

    Attributes:
        failure: why the service could not be opened; None while it has not been tried.
        pool: where linking runs.
        follower: what keeps the service up to date; None while there is none.
        nil: where mentions that are answered with NIL are collected.
        others: knowledge bases beside the served one that are open for linking.
    """

    def __init__(self, settings: Settings, metrics: Metrics, opener: Opener = open_and_build) -> None:
        self.settings = settings
        self.metrics = metrics
        self.pool = LinkPool(settings, metrics)
        self.nil = NilCollector(metrics)
        self.others = OpenNamespaces(settings.max_namespaces, metrics)
        self.failure: Exception | None = None
        self._opener = opener
        self.follower: Follower | None = None
        self._service: Service | None = None
        self._stack = ExitStack()
        # One thread opens and closes: locks and connections may belong to the thread that made them.
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="keeper")

    @property
    def service(self) -> Service | None:
        """The service, or None while there is none; then `reason` says why."""
        return self._service

    @property
    def reason(self) -> str:
        """Why there is no service, for people."""
        return STARTING if self.failure is None else message_of(self.failure)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the service open as long as the block lasts."""
        loop = asyncio.get_running_loop()
        opening = asyncio.create_task(self._keep_trying())
        try:
            yield
        finally:
            opening.cancel()
            with suppress(asyncio.CancelledError):
                await opening
            await self.others.close()
            await loop.run_in_executor(self._keeper, self._close)
            self._keeper.shutdown()

    async def _keep_trying(self) -> None:
        loop = asyncio.get_running_loop()
        attempt = 0
        while not await loop.run_in_executor(self._keeper, self._try_to_open):
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1

    def _try_to_open(self) -> bool:
        try:
            service = self._stack.enter_context(self._opener(self.settings))
            from app.following import following  # imports the encoder's libraries, which are loaded by now

            self.follower = self._stack.enter_context(following(service, self.metrics.kb_version.set))
            self._service = service
        except Exception as error:  # whatever it is, the next attempt may find it repaired
            self.failure = error
            self.metrics.ready.set(0)
            self._stack.close()
            log.error("cannot open the service", reason=message_of(error), exc_info=not is_expected(error))  # noqa: TRY400
            return False
        self.metrics.ready.set(1)
        self.metrics.kb_version.set(self._service.kb_version)
        log.info("ready", kb_version=self._service.kb_version, model_version=self._service.model_version)
        return True

    def _close(self) -> None:
        self.nil.close()
        self._service = self.follower = None
        self._stack.close()


def get_runtime(request: Request) -> Runtime:
    """Return the application's runtime; a dependency of routes."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def get_service(request: Request) -> Service:
    """Return the opened service; a dependency of routes.

    Raises:
        ProblemError: there is none yet.
    """
    runtime = get_runtime(request)
    if runtime.service is None:
        error = FieldProblem(
            field="service", detail=runtime.reason, remedy="try again soon; /readyz and `namesake doctor` say more"
        )
        raise ProblemError("not-ready", [error], headers={"Retry-After": "5"})
    return runtime.service
