"""Structured logs: one event a line, as JSON or for a person's eyes."""

import logging
import sys
from typing import Any

import orjson
import structlog

from songserver.config import Settings


def configure_logs(settings: Settings) -> None:
    """Sets how this process logs: to standard error, from the level of the settings up."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any]
    if console:
        last = [structlog.dev.ConsoleRenderer()]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr)
        if console
        else structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What libraries log with the standard library, from warnings up.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)


def _json(event: Any, **options: Any) -> str:
    return orjson.dumps(event, default=options.get("default")).decode()
