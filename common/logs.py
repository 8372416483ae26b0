"""Structured logs: one JSON line an event, or coloured text on a terminal."""

import logging
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from common.masking import mask_text

LOG_FORMATS = ("auto", "json", "console")


def configure_logging(
    service: str, *, level: str = "info", log_format: str = "auto", out: TextIO | None = None
) -> None:
    """Send this process' logs, structlog's and the standard library's, to `out` (standard error by default).

    `log_format` is `json`, `console`, or `auto`: console on a terminal, JSON otherwise. Every text value is masked, so
    that a phone number which slipped into a message or an exception does not reach the log.
    """
    stream = out if out is not None else sys.stderr
    pretty = log_format == "console" or (log_format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_service(service),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(sort_keys=True)
    )
    last: list[Processor] = [structlog.processors.format_exc_info, mask_numbers, renderer]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Below warning these speak of their own work, statement by statement.
    for chatty in ("aiosqlite", "alembic", "asyncio", "grpc", "sqlalchemy", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; its methods take an event name and key-value pairs."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def mask_numbers(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that masks digit runs in every text value, but for those that are no phone numbers."""
    for key, value in event.items():
        if key not in _NOT_NUMBERS:
            event[key] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return {key: _masked(each) for key, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list | tuple | set | frozenset) else value


# Timestamps and ids have long digit runs of their own.
_NOT_NUMBERS = frozenset({"timestamp", "service", "level", "trace_id", "span_id", "binding_id"})


def _add_service(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add
