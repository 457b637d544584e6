"""Logs: one event one line, for people or as JSON; control bytes are shown, never sent to a terminal."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

#: C0, DEL and C1 but nothing printable.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: The same but for the line ends of a traceback.
_CONTROL_IN_TRACEBACK = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def configure_logs(form: str, level: str) -> None:
    """``form``: ``console`` or ``json``; ``level``: debug, info, warning, error. Lines go to standard error."""
    people = form != "json"
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _show_control,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
            if people
            else structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _show_control(logger: object, method: str, event: Any) -> Any:
    """Shows control characters as ``\\xNN`` in every text. A traceback keeps its lines; its last may quote a peer."""
    for key, value in event.items():
        if isinstance(value, str):
            control = _CONTROL_IN_TRACEBACK if key == "exception" else _CONTROL
            event[key] = control.sub(lambda m: f"\\x{ord(m[0]):02x}", value)
    return event
