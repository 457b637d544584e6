"""Logs: one event one line, for people or as JSON; control bytes are shown, never sent to a terminal."""

from __future__ import annotations

import logging
import sys
from textwrap import indent
from typing import Any

import structlog

#: What stands before each line of a traceback for people, so that no text in it looks like an event of its own.
_INDENT = "    "


def configure_logs(form: str, level: str) -> None:
    """``form``: ``console`` or ``json``; ``level``: debug, info, warning, error. Lines go to standard error."""
    people = form != "json"
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *([_indent_traceback] if people else []),
            _show_control,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
            if people
            else structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.lastResort = _Others(logging.WARNING)


class _Others(logging.Handler):
    """What libraries log and nobody handles, which Python would write as it is."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def _indent_traceback(logger: object, method: str, event: Any) -> Any:
    if "exception" in event:
        event["exception"] = indent(event["exception"], _INDENT)
    return event


def _show_control(logger: object, method: str, event: Any) -> Any:
    """Shows what is not printable as ``\\xNN`` in every text: control characters, other line ends, what turns the
    direction of writing. A traceback keeps its lines; its last may quote a peer.
    """
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = "".join(
                c if c.isprintable() or (c == "\n" and key == "exception") else _escaped(ord(c)) for c in value
            )
    return event


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
