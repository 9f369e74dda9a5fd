"""The log: one event a line, readable on a terminal or JSON for collectors, on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from app.settings import Settings
from kb.keys import hide_keys


def configure_logging(settings: Settings) -> None:
    """Send structlog's events and the standard library's records through the same formatter."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderers: list[Processor]
    if settings.log_format == "json":
        # Without the local variables, which hold callers' texts and the database's password.
        tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        renderers = [tracebacks, structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        renderers = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers, _without_keys],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # The access log is written by our own middleware, with the request's id.
    logging.getLogger("uvicorn.access").disabled = True
    for talkative in ("alembic", "faiss", "procrastinate", "transformers"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


def _without_keys(_logger: Any, _method: str, line: Any) -> str:
    """Cut keys off in the finished line: one may be in a path, in a message of another library, in a traceback."""
    return hide_keys(line if isinstance(line, str) else line.decode())
