"""`namesake worker`: annotate the documents of jobs."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from app.terminal import command_settings


def worker(
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Pieces of work at the same time.", show_default="one for each core"),
    ] = None,
) -> None:
    """Work on jobs until a signal (Ctrl-C, SIGTERM) stops it; what is being done is finished first.

    Example:
    namesake worker --concurrency 2
    """
    settings = command_settings()
    import asyncio
    import signal

    import structlog

    from app.jobs.worker import Worker
    from app.logs import configure_logging

    configure_logging(settings)

    async def work() -> None:
        found = Worker(settings, concurrency or settings.link_workers or len(os.sched_getaffinity(0)))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, found.stop)
        structlog.get_logger("namesake").info("working", process=os.getpid())
        await found.run()

    asyncio.run(work())
