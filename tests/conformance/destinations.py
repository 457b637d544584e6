"""Whom a recorded case is addressed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit


def destination_technology(case: Mapping[str, Any]) -> str | None:
    """The technology a sendMessage or refer case is addressed to, in capitals; None for other cases."""
    url = urlsplit(case["path"])
    match url.path.split("/"):
        case ["", "ari", "endpoints", "sendMessage" | "refer"]:
            to: str = parse_qs(url.query).get("to", [""])[0]
            return to.partition(":")[0].upper()
        case ["", "ari", "endpoints", technology, _, "sendMessage" | "refer"]:
            return str(technology).upper()
    return None
