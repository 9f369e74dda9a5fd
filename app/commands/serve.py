"""`namesake serve`: the REST API in one or several processes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.terminal import CommandError, command_settings

if TYPE_CHECKING:
    from types import FrameType

    from app.settings import Settings

GRACE_SECONDS = 30  # how long requests in flight may take after a signal to stop
BACKLOG = 2048


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (NAMESAKE_HOST).", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (NAMESAKE_PORT).", show_default=False)] = None,
    workers: Annotated[
        int | None, typer.Option(help="Server processes (NAMESAKE_WORKERS).", show_default=False)
    ] = None,
) -> None:
    """Serve the REST API until a signal (Ctrl-C, SIGTERM) stops it.

    Example:
    namesake serve --port 8001 --workers 2
    """
    settings = command_settings(host=host, port=port, workers=workers)
    # Worker processes read the settings again, so what the options say must be in the environment.
    os.environ |= {
        "NAMESAKE_HOST": settings.host,
        "NAMESAKE_PORT": str(settings.port),
        "NAMESAKE_WORKERS": str(settings.workers),
    }
    listener = open_listener(settings.host, settings.port)
    with _shared_metrics(settings.workers), listener:
        _run(settings, listener)


def open_listener(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address.

    Raises:
        CommandError: the address is taken, forbidden or unknown.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            # Two processes may bind one address as long as neither listens: listening is what takes it.
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise _address_error(error, host, port) from None
    listener.set_inheritable(True)
    return listener


def _address_error(error: OSError, host: str, port: int) -> CommandError:
    if error.errno == errno.EADDRINUSE:
        detail = f"Port {port} on {host} is in use by another program"
        return CommandError(detail, "stop that program, or choose another port with NAMESAKE_PORT or --port")
    if error.errno == errno.EACCES:
        detail = f"Port {port} needs rights that this user does not have"
        return CommandError(detail, "choose a port from 1024 on with NAMESAKE_PORT or --port")
    detail = f"Cannot listen on {host}: {error.strerror or error}"
    return CommandError(detail, "set NAMESAKE_HOST or --host to an address of this machine; 0.0.0.0 means all of them")


@contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """Let several workers add up their metrics, through files in a folder that lasts as long as the server."""
    if workers == 1:
        yield
        return
    folder = Path(tempfile.mkdtemp(prefix="namesake-metrics-"))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(settings: Settings, listener: socket.socket) -> None:
    import structlog
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from app.logs import configure_logging
    from app.protocol import ProblemProtocol

    configure_logging(settings)
    config = uvicorn.Config(
        "app.main:serve_app",
        factory=True,
        workers=settings.workers,
        http=ProblemProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=[item.strip() for item in settings.trusted_proxies.split(",")],
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=60,  # loading the model can keep a process busy for a while
    )
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    structlog.get_logger("namesake").info("listening", url=f"http://{shown}:{settings.port}", workers=settings.workers)
    # After a clean end uvicorn raises the signal again; without this, the exit code would be that of a killed process.
    signal.signal(signal.SIGTERM, _end)
    try:
        if settings.workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            server = uvicorn.Server(config)
            server.run(sockets=[listener])
            if not server.started:
                sys.exit(1)
    except KeyboardInterrupt:
        return


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
