"""Structured logs for everything the process says, libraries included: one JSON object, or one readable line, each."""

from __future__ import annotations

import io
import logging
import sys
from typing import TextIO

import structlog

from floodwarden.core.text import plain

VALUE_BYTES = 4096
QUIET = ("kopf", "kafka", "aiohttp", "asyncio", "kubernetes")  # libraries that are of interest only when something is wrong


def configure(level: str, as_json: bool) -> None:
    """Log to stderr from ``level`` upward; libraries from warning upward unless level is debug."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Locals are never rendered: they may hold what a Secret held.
    plain_tracebacks = structlog.dev.ConsoleRenderer(exception_formatter=_traceback, colors=sys.stderr.isatty())
    final: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()] if as_json else [plain_tracebacks]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _printable, *final]
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    if level != "debug":
        handler.addFilter(_without_their_tracebacks)
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)


def _without_their_tracebacks(record: logging.LogRecord) -> bool:
    """Of libraries one line is enough: what failed stands in it, and what is done about it is ours to say."""
    if record.name.partition(".")[0] in QUIET:
        record.exc_info = record.exc_text = None
    return True


def _printable(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Every value as one printable line of bounded length: what others wrote can neither forge lines nor move a cursor."""
    return {name: _value(value) for name, value in event.items()}


def _value(value: object) -> object:
    match value:
        case str():
            return plain(value, VALUE_BYTES)
        case list() | tuple() | set() | frozenset():
            return [_value(one) for one in value]
        case _:
            return value


def _traceback(out: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """A traceback without locals, its lines printable."""
    whole = io.StringIO()
    structlog.dev.plain_traceback(whole, exc_info)
    out.write("\n".join(plain(line, VALUE_BYTES) for line in whole.getvalue().split("\n")))
