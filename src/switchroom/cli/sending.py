"""``switchroom send`` and ``switchroom refer``: something is asked of an endpoint, and if wanted its end awaited."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from switchroom.cli.account import Login
from switchroom.cli.client import Server, escaped, work_with
from switchroom.cli.endpoints import COLOURS, named, path_of, print_json
from switchroom.cli.progress import Progress
from switchroom.cli.terminal import Refused, Unreachable, complain, decorated, note, painted, printable

#: Who sends when nobody is named.
SENDER = "switchroom"

#: Exit statuses of the ends that ``--wait`` waits for, and when its time is over before.
STATUSES = {"delivered": 0, "answered": 0, "failed": 1, "expired": 3, "cancelled": 4}
STILL_OPEN = 5

#: Seconds between two questions how far it is: the first one and the longest.
_PAUSES = 0.02, 1.0

#: Seconds for which a server that does not answer is asked again, unless --within says how long.
_LOST = 60.0

#: Bytes of standard input that are read for a text: more than the server takes.
_TEXT_BYTES = 1 << 17


class Wait(NamedTuple):
    """Whether the end is waited for, and at most so many seconds; None: as long as it takes."""

    wanted: bool
    within: float | None


class Text(NamedTuple):
    """What ``send`` sends."""

    to: str
    body: str
    sender: str
    headers: Sequence[str]
    offline: str | None
    expires: int | None
    message_id: str | None


class Referral(NamedTuple):
    """What ``refer`` asks for."""

    to: str
    refer_to: str
    sender: str
    to_self: bool
    fallback: str | None


def send(login: Login, text: Text, wait: Wait, *, as_json: bool) -> int:
    """Sends a text and shows its id or its end; the exit status."""
    variables = {}
    for header in text.headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            return complain(f"{header} is no header, as Subject:Lunch")
        variables[name.strip()] = value.strip()
    body = sys.stdin.read(_TEXT_BYTES) if text.body == "-" else text.body
    asked = {
        "from": _spoken(text.sender),
        "body": body,
        "variables": variables or None,
        "offline": text.offline,
        "expires": text.expires,
        "message_id": text.message_id,
    }
    return work_with(
        login, lambda server: _follow(server, _place(server, "PUT", text.to, "sendMessage", asked), wait, as_json)
    )


def refer(login: Login, referral: Referral, wait: Wait, *, as_json: bool) -> int:
    """Asks an endpoint to contact another, and shows the referral's id or its end; the exit status."""
    asked = {
        "from": _spoken(referral.sender),
        "refer_to": _spoken(referral.refer_to),
        "to_self": referral.to_self or None,
        "fallback": referral.fallback,
    }
    return work_with(
        login, lambda server: _follow(server, _place(server, "POST", referral.to, "refer", asked), wait, as_json)
    )


def _place(server: Server, method: str, to: str, operation: str, asked: Mapping[str, Any]) -> str:
    """Asks for the operation; where it can be followed, below ``/ari``. Raises Refused."""
    parameters = {name: value for name, value in asked.items() if value is not None}
    name = named(to)
    if name is not None:
        path = f"{path_of(name)}/{operation}"
    else:
        path, parameters["to"] = f"/endpoints/{operation}", to
    try:
        place = server.order(method, path, parameters)
    except Refused as refused:
        if refused.status != 404:
            raise
        keep = ", or keep the text for it with --offline store" if operation == "sendMessage" else ""
        raise Refused(f"{refused}: no such name, or it is offline; see switchroom endpoints{keep}", 404) from None
    # Its end alone counts: a proxy may have the server below another path than the server knows of.
    kind, _, identity = place.rpartition("/")
    if not kind.endswith(("/messages", "/referrals")) or not identity:
        raise Refused("it was accepted, but the server does not say where it can be followed: is it another server?")
    return f"/{kind.rpartition('/')[2]}/{escaped(unquote(identity))}"


def _spoken(who: str) -> str:
    """``pjsip:alice`` for an endpoint as lists show it, which ARI takes in paths alone; anything else as it is."""
    name = named(who)
    return f"{name[0].lower()}:{name[1]}" if name is not None else who


def _follow(server: Server, path: str, wait: Wait, as_json: bool) -> int:
    if not wait.wanted:
        if as_json:
            print_json([server.ask("GET", path)])
        else:
            print(f"{printable(_identity(path))}  accepted")
        return 0
    document = _end(server, path, wait.within)
    if as_json:
        print_json([document])
    else:
        _print(document)
    return STATUSES.get(document["state"], STILL_OPEN)


def _end(server: Server, path: str, within: float | None) -> dict[str, Any]:
    """The message or referral when it has ended, or when the time is over. Raises Refused.

    It is asked for again and again, not listened for: that needs no second connection, and goes on after a
    restart of the server, which keeps messages.
    """
    started = heard = time.monotonic()
    progress = Progress("Waiting")
    pause, longest = _PAUSES
    document: dict[str, Any] = {"id": _identity(path), "state": "accepted"}
    lost: Unreachable | None = None
    try:
        while True:
            now = time.monotonic()
            try:
                document, lost, heard = server.ask("GET", path), None, now
            except Unreachable as error:
                if lost is None:
                    progress.clear()
                    note(f"{error}; still waiting")
                lost = error
            if within is not None:
                left = started + within - now
            else:
                left = heard + _LOST - now if lost is not None else math.inf
            if document["state"] in STATUSES or (left <= 0 and within is not None):
                return document
            if left <= 0 and lost is not None:
                raise lost
            _doze(progress, document["state"], min(pause, left))
            pause = min(pause * 1.5, longest)
    finally:
        progress.clear()


def _identity(path: str) -> str:
    """The id that a path of ours ends with."""
    return unquote(path.rpartition("/")[2])


def _doze(progress: Progress, state: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        progress.show(printable(state))
        time.sleep(min(left, 0.1))


def _print(document: dict[str, Any]) -> None:
    """The end of a message with that of each contact, or of a referral."""
    state = document["state"]
    shown = painted(state, COLOURS.get(state, "")) if decorated(sys.stdout) else printable(state)
    answer = answered(document) if "status_code" in document else ""
    print(f"{printable(document['id'])}  {shown}{f', {answer}' if answer else ''}")
    for delivery in document.get("deliveries", ()):
        print(f"  {delivery_line(delivery)}")


def answered(outcome: dict[str, Any]) -> str:
    """``486 Busy Here``; empty before there is an answer."""
    return printable(f"{outcome['status_code']} {outcome['reason']}".strip()) if outcome["status_code"] else ""


def delivery_line(delivery: dict[str, Any]) -> str:
    """``sip:bob@192.0.2.1: failed, 486 Busy Here, 1 attempt``."""
    attempts = delivery["attempts"]
    tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    answer = answered(delivery) or "no answer yet"
    told = f", {printable(told)} by the device" if (told := delivery.get("notification")) else ""
    return f"{printable(delivery['contact'])}: {delivery['state']}, {answer}, {tries}{told}"
