"""Which cases wait for technologies that are listed but not served yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: Listed from their configuration; texts are not sent over them yet.
UNSERVED = {"SIP", "IAX2", "XMPP"}


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


def waits_for_a_technology(case: Mapping[str, Any]) -> bool:
    """Whether the case is a text or referral that an unserved technology accepts and sends. What it refuses
    is played: a refusal needs nothing of the technology.
    """
    return destination_technology(case) in UNSERVED and case["expect"].get("status") == 202
