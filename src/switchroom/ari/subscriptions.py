"""The operations on applications: look, subscribe, unsubscribe, filter."""

from __future__ import annotations

from typing import Any

from switchroom.ari.applications import ADDED_KINDS, KINDS, Application
from switchroom.ari.call import Call
from switchroom.ari.errors import Refusal
from switchroom.ari.limits import DEVICE_NAME_BYTES, FILTER_ENTRIES
from switchroom.ari.reply import Reply, encode
from switchroom.core.limits import MAX_MESSAGE_ID

Source = tuple[str, str]


async def list_applications(call: Call) -> Reply:
    return Reply(200, encode([application.document() for application in call.services.applications.all()]))


async def get_application(call: Call) -> Reply:
    return _reply(_application(call))


async def subscribe(call: Call) -> Reply:
    """All sources or none (docs/rulings.md 12)."""
    texts = _event_sources(call)
    application = _application(call)
    found: list[Source] = []
    for kind, target in [_split(text) for text in texts]:
        source = _existing(call, kind, target)
        if source is None:
            raise Refusal(422, f"Event source does not exist: {kind}:{target}")
        found.append(source)
    call.services.applications.subscribe(application, found)
    return _reply(application)


async def unsubscribe(call: Call) -> Reply:
    """All sources or none; what was subscribed can be unsubscribed, whether it still exists or not."""
    texts = _event_sources(call)
    application = _application(call)
    gone = [_spelled(call, *_split(text)) for text in texts]
    for kind, target in gone:
        if (kind, target) not in application.sources:
            raise Refusal(422, f"Event source was not subscribed to: {kind}:{target}")
    call.services.applications.unsubscribe(application, gone)
    return _reply(application)


async def filter_events(call: Call) -> Reply:
    """Sets the lists that are given; an empty body clears both. One bad list changes nothing."""
    application = _application(call)
    lists = {"allowed": application.allowed, "disallowed": application.disallowed}
    if call.object_is_empty():
        lists = {"allowed": [], "disallowed": []}
    for name in lists:
        if call.holds(name):
            lists[name] = _filter_list(call.object(name))
    application.filter(lists["allowed"], lists["disallowed"])
    return _reply(application)


def _filter_list(entries: Any) -> list[Any]:
    if (
        not isinstance(entries, list)
        or len(entries) > FILTER_ENTRIES
        or not all(isinstance(e, dict) and isinstance(e.get("type"), str) and e["type"] for e in entries)
    ):
        raise Refusal(400, "Invalid format definition")
    return entries


def _reply(application: Application) -> Reply:
    return Reply(200, encode(application.document()))


def _application(call: Call) -> Application:
    application = call.services.applications.get(call.path[0])
    if application is None:
        raise Refusal(404, "Application not found")
    return application


def _event_sources(call: Call) -> list[str]:
    texts = call.values("eventSource")
    if not texts:
        raise Refusal(400, "Missing parameter eventSource")
    return texts


def _split(text: str) -> Source:
    kind, colon, target = text.partition(":")
    if not colon or (kind not in KINDS and kind not in ADDED_KINDS):
        raise Refusal(400, "Invalid event source URI scheme")
    return kind, target


def _spelled(call: Call, kind: str, target: str) -> Source:
    """The source as it is kept: a technology as its endpoints have it, all of a kind as nothing."""
    if target == KINDS.get(kind):
        return kind, ""
    if kind == "endpoint":
        technology, slash, resource = target.partition("/")
        return kind, f"{call.services.registry.technology(technology) or technology}{slash}{resource}"
    return kind, target


def _existing(call: Call, kind: str, target: str) -> Source | None:
    """The source, when there is such a thing. Any device may come to exist; channels and bridges are none yet."""
    source = _spelled(call, kind, target)
    if not target:
        return source
    if kind == "deviceState":
        return source if target != KINDS[kind] and len(target.encode()) <= DEVICE_NAME_BYTES else None
    if kind in ADDED_KINDS:
        # It may be subscribed to before it is sent, under the id its sender chose.
        return source if len(target) <= MAX_MESSAGE_ID else None
    if kind != "endpoint":
        return None
    technology, slash, resource = target.partition("/")
    registry = call.services.registry
    known = registry.get(technology, resource) if slash else registry.technology(technology)
    return source if known is not None else None
