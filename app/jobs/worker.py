"""What `namesake worker` runs: work from the queue, done in threads beside the event loop, and care for what is lost.

The queue is procrastinate's. A worker says every few seconds that it lives; the work of one that does not is given to
another (`store.take_over`), and so is work whose end this process could not write down. Everything that a piece of work
does is one transaction at its end, so that doing it twice changes nothing.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import procrastinate
import psycopg
import structlog
from anyio.to_thread import run_sync
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker as QueueWorker
from psycopg.errors import DiskFull
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.errors import ProblemError
from app.expected import is_expected, message_of
from app.jobs import store
from app.jobs.cutting import CutShort, DayUsedUp, cut
from app.jobs.linking import link_chunk
from app.jobs.store import JobMissing, Status, WrongStatus
from app.jobs.store_sql import LOCK_SECONDS
from app.metrics import Metrics
from app.namespaces import open_kb
from app.runtime import Runtime
from app.service import Service
from app.settings import Settings

log = structlog.get_logger(__name__)

BEATS_A_LEASE = 5
POLL_SECONDS = 1.0  # how long work that was taken over, or whose notification was lost, goes unnoticed
AGAIN_SECONDS = 2  # after an error that may pass
GRACE_SECONDS = 30  # how long work under way may take after a signal to stop
PRUNE_SECONDS = 3600.0
OPTIONS = f"-c search_path=procrastinate -c idle_in_transaction_session_timeout={LOCK_SECONDS}s"
MOST_ATTEMPTS = 25  # of one piece of work, whatever ended them
MOST_FAILURES = 3  # of those with an error that will hardly pass
NO_SPACE = "there is no space left on the disk of the database, or of NAMESAKE_HOME: free some, and resume the job"


class Worker:
    """Works until it is stopped.

    Args:
        settings: name the database and the knowledge base that is kept open.
        concurrency: pieces of work at the same time.
    """

    def __init__(self, settings: Settings, concurrency: int) -> None:
        self._settings = settings
        self._concurrency = concurrency
        self._runtime = Runtime(settings, Metrics())
        self._stopping = asyncio.Event()
        self._held: set[int] = set()  # ids of the queue for what is being done here

    def stop(self) -> None:
        """End when what is being done is done; called in the event loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Work; returns some time after `stop`."""
        async with self._runtime.running():
            while not self._stopping.is_set():
                service = self._runtime.service
                if service is None:  # it is being opened, and the log says why that takes long
                    await self._pause(POLL_SECONDS / 10)
                    continue
                try:
                    await self._work(service)
                except (ConnectorException, psycopg.Error, SQLAlchemyError, OSError) as error:
                    log.warning("no work can be had from the queue", reason=message_of(error))
                    await self._pause(AGAIN_SECONDS)

    async def _work(self, service: Service) -> None:
        """Work as long as the database can be reached."""
        connector = procrastinate.PsycopgConnector(
            conninfo=service.engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
            kwargs={"options": OPTIONS, "application_name": "namesake", "connect_timeout": 10},
            min_size=1,
            max_size=3,
        )
        queue = procrastinate.App(connector=connector)
        retries = procrastinate.RetryStrategy(max_attempts=2 * MOST_ATTEMPTS, linear_wait=AGAIN_SECONDS)
        options: dict[str, Any] = {"queue": store.QUEUE, "retry": retries, "pass_context": True}
        register: Any = queue.task
        register(name="cut", **options)(partial(self._cut, service))
        register(name="link", **options)(partial(self._link, service))
        async with queue.open_async():
            worker = QueueWorker(
                queue,
                queues=[store.QUEUE],
                concurrency=self._concurrency,
                fetch_job_polling_interval=POLL_SECONDS,
                shutdown_graceful_timeout=GRACE_SECONDS,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=self._settings.job_lease_seconds / BEATS_A_LEASE,
                stalled_worker_timeout=self._settings.job_lease_seconds,
            )
            working = asyncio.create_task(worker.run())
            caring = asyncio.create_task(self._care(service.engine, queue, worker))
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
                worker.stop()
                await working
            finally:
                for task in (caring, stopping):
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    async def _care(self, engine: Engine, queue: procrastinate.App, worker: QueueWorker) -> None:
        """Give lost work to others, and delete old jobs."""
        prune_at = 0.0
        lost: set[int] = set()
        while True:
            await asyncio.sleep(self._settings.job_lease_seconds / BEATS_A_LEASE)
            try:
                mine = await queue.job_manager.list_jobs_async(status="doing", worker_id=worker.worker_id or 0)
                before, lost = lost, {job.id for job in mine if job.id is not None} - self._held
                # Seen twice: what has just been fetched is begun in a moment.
                taken = await run_sync(partial(self._take_over, engine, sorted(lost & before)))
                if taken:
                    log.warning("work of workers that said nothing is done again", pieces=taken)
                now = asyncio.get_running_loop().time()
                if self._settings.job_days and now >= prune_at:
                    prune_at = now + PRUNE_SECONDS
                    await run_sync(partial(self._prune, engine))
            except (ConnectorException, psycopg.Error, SQLAlchemyError) as error:
                log.warning("lost work cannot be looked for", reason=message_of(error))

    async def _cut(self, service: Service, context: procrastinate.JobContext, job: int) -> None:
        work = partial(cut, service.engine, self._settings, job, self._stopping.is_set)
        await self._attempt(service.engine, context, job, lambda: run_sync(work))

    async def _link(self, service: Service, context: procrastinate.JobContext, job: int, chunk: int) -> None:
        await self._attempt(service.engine, context, job, lambda: self._link_chunk(service, job, chunk))

    async def _link_chunk(self, served: Service, job_id: int, number: int) -> None:
        """Link a chunk that is not done, if its job runs."""
        engine = served.engine

        def read() -> tuple[store.JobRecord, bytes | None]:
            with Session(engine) as session:
                return store.get_job(session, job_id), store.read_chunk(session, job_id, number)

        job, documents = await run_sync(read)
        if documents is None or job.status not in {"queued", "running"}:
            return
        async with open_kb(self._runtime, served, job.namespace) as opened:

            def link() -> None:
                linked = link_chunk(opened.service, documents, job.options, self._runtime.nil)
                with Session(engine) as session, session.begin():
                    store.finish_chunk(session, job_id, number, linked.result, linked.mentions, linked.links)

            await run_sync(link)

    async def _attempt(
        self, engine: Engine, context: procrastinate.JobContext, job: int, work: Callable[[], Any]
    ) -> None:
        """Do a piece of work; what it cannot do is tried again, or pauses its job, or ends it.

        Raises:
            Exception: the queue shall bring it again.
        """
        attempts, queue_id = context.job.attempts, context.job.id or 0
        change = partial(self._change, engine, job)
        self._held.add(queue_id)
        try:
            if attempts >= MOST_ATTEMPTS:
                await change("failed", f"a part of it was tried {attempts} times in vain: see the log of the workers")
                return
            await work()
        except JobMissing:
            return  # it was deleted
        except Exception as error:
            if is_full(error):
                await change("paused", NO_SPACE)
            elif isinstance(error, DayUsedUp):
                await change("paused", str(error))
            elif passes(error) or (not is_expected(error) and attempts + 1 < MOST_FAILURES):
                raise
            else:
                if not is_expected(error):
                    log.exception("a job failed", job=job)
                await change("failed", error.detail if isinstance(error, ProblemError) else message_of(error))
        finally:
            self._held.discard(queue_id)

    async def _change(self, engine: Engine, job: int, status: Status, reason: str) -> None:
        def change() -> None:
            with suppress(WrongStatus, JobMissing), Session(engine) as session, session.begin():
                store.change(session, job, status, ("queued", "running"), reason)

        log.warning("a job stops", job=job, status=status, reason=reason)
        await run_sync(change)

    def _take_over(self, engine: Engine, ids: list[int]) -> int:
        with Session(engine) as session, session.begin():
            return store.take_over(session, timedelta(seconds=self._settings.job_lease_seconds), ids)

    def _prune(self, engine: Engine) -> None:
        with Session(engine) as session, session.begin():
            gone = store.prune(session, timedelta(days=self._settings.job_days))
        if gone:
            log.info("old jobs are deleted", jobs=gone)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def is_full(error: BaseException) -> bool:
    """Say whether an error means that a disk is full."""
    origin = getattr(error, "orig", error)
    return isinstance(origin, DiskFull) or getattr(origin, "errno", None) in {errno.ENOSPC, errno.EDQUOT}


def passes(error: BaseException) -> bool:
    """Say whether an error passes: the database's, a knowledge base that is not open yet, the end of the worker."""
    if isinstance(error, ProblemError):
        return error.kind in {"not-ready", "overloaded"}
    return isinstance(error, SQLAlchemyError | psycopg.Error | CutShort)
