"""``switchroom events``: what happens, as it happens."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from switchroom.cli.account import Login, find_account
from switchroom.cli.client import answers_of
from switchroom.cli.endpoints import COLOURS, name_of
from switchroom.cli.listening import Broken, Listener, Opened, Subscription
from switchroom.cli.sending import answered
from switchroom.cli.terminal import decorated, note, painted, printable

#: Characters of a text that a line shows.
_SHOWN = 60

#: What every event has, and so says nothing.
_COMMON = frozenset(("type", "timestamp", "application", "asterisk_id"))


def follow_events(login: Login, application: str | None, sources: Sequence[str], *, as_json: bool) -> int:
    """Prints events until it is stopped. Raises Refused when it can not go on."""
    name = application or f"switchroom-events-{secrets.token_hex(4)}"
    account = find_account(login)
    with answers_of(account):
        asyncio.run(_follow(Listener(account), Subscription(name, sources, resumes=True), as_json))
    return 0


async def _follow(listener: Listener, subscription: Subscription, as_json: bool) -> None:
    async with listener, aclosing(listener.listen(subscription)) as all_heard:
        async for heard in all_heard:
            if isinstance(heard, Broken):
                note(f"{heard.why}; connecting again in {heard.pause:.1f} s")
            elif isinstance(heard, Opened):
                _tell(heard, subscription)
            else:
                if heard["type"] == "EventsLost":
                    note(f"{heard.get('lost', 'some')} events since {heard['since']} are lost")
                print(json.dumps(heard) if as_json else line(heard), flush=True)


def _tell(opened: Opened, subscription: Subscription) -> None:
    if not opened.again:
        note(f"listening as {subscription.application}")
    elif opened.lossless:
        note("connected again: what happened meanwhile follows")
    else:
        note("connected again: what happened meanwhile is lost")


def line(event: dict[str, Any]) -> str:
    """An event in one line: when, what, about whom, and what is new."""
    about = event.get("endpoint")
    words = [str(event.get("timestamp", ""))[11:23], str(event["type"])]
    if isinstance(about, dict):
        words.append(name_of(about))
    words.append(_news(event))
    text = "  ".join(printable(word) for word in words if word)
    if decorated(sys.stdout):
        head, _, last = text.rpartition(" ")
        return f"{head} {painted(last, COLOURS.get(last, ''))}"
    return text


def _news(event: dict[str, Any]) -> str:
    """What the event tells, by the keys of its type (docs/events.md); for others everything as JSON."""
    match event:
        case {"type": "EndpointStateChange", "endpoint": {"state": str(state)}}:
            return state
        case {"type": "PeerStatusChange", "peer": {"peer_status": str(status)}}:
            return status
        case {"type": "ContactStatusChange", "contact_info": {"uri": str(uri), "contact_status": str(status)}}:
            return f"{uri} {status}"
        case {"type": "TextMessageReceived", "message": {"from": str(sender), "to": str(to), "body": str(body)}}:
            return f"{sender} -> {to}: {shortened(body)}"
        case {"type": "TextMessageStatusChange", "message": {"id": str(identity), "to": str(to), "state": str(state)}}:
            return f"{identity} -> {to}: {state}"
        case {"type": "ReferStatusChange", "referral": {"id": str(identity), "to": str(to), "state": str(state)}}:
            answer = answered(event["referral"])
            return f"{identity} -> {to}: {f'{answer}, ' if answer else ''}{state}"
        case {"type": "DeviceStateChanged", "device_state": {"name": str(name), "state": str(state)}}:
            return f"{name} {state}"
    return json.dumps({key: value for key, value in event.items() if key not in _COMMON | {"endpoint"}})


def shortened(body: str) -> str:
    """The beginning of a text that is too long for a line."""
    return body if len(body) <= _SHOWN else f"{body[:_SHOWN]}..."
