"""Structured logs: one event a line, as JSON or for a person's eyes."""

import logging
import sys
from functools import partial
from typing import Any

import orjson
import structlog

from songserver.config import Settings

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
"""What is added to every event."""
# structlog's own choice shows local variables, and so passwords; and takes seconds for large ones.
CONSOLE = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
"""The form for a person's eyes."""
GRPC = "grpc._cython.cygrpc"
"""The logger of grpcio's compiled part."""


def configure_logs(settings: Settings, worker: int | None = None) -> None:
    """Sets how this process logs: to standard error, from the level of the settings up.

    Args:
        settings: The settings.
        worker: The number of the worker that this process is; it stands in each event.
    """
    shared = SHARED if worker is None else [*SHARED, partial(_add_worker, worker=worker)]
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    last: list[Any]
    if console:
        last = [CONSOLE]
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
    # What libraries log with the standard library, and Python's own warnings, in the same form.
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger(GRPC).addFilter(_shows_no_metadata)


def _shows_no_metadata(record: logging.LogRecord) -> bool:
    # grpcio logs metadata that is not UTF-8 as it came, be it a token. What became of its call, the call's line tells.
    return not str(record.msg).startswith("Invalid encoding on")


def _add_worker(
    _logger: object, _method: str, event: structlog.typing.EventDict, worker: int
) -> structlog.typing.EventDict:
    event["worker"] = worker
    return event


def _json(event: Any, **options: Any) -> str:
    return orjson.dumps(event, default=options.get("default")).decode()
