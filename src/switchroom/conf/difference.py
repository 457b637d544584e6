"""What a configuration that was read again has that the one before had not, and the other way round.

Where something is written does not count: a line put in at the top of a file moves ten thousand sections and
changes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from switchroom.model.change import KINDS, SipChange
from switchroom.model.settings import (
    Configuration,
    Settings,
    SipSettings,
)

T = TypeVar("T")

#: Options of pjsip.conf's global and system sections that are built into what runs.
_BUILT_IN = ("timer_t1", "timer_b", "max_forwards", "user_agent", "send_contact_status_on_update_registration")

#: The same of sip.conf, and what it calls them.
_BUILT_IN_CHAN_SIP = {"timer_t1": "timert1", "max_forwards": "maxforwards", "user_agent": "useragent"}


def sip_difference(old: SipSettings, new: SipSettings) -> SipChange:
    """What leads from ``old`` to ``new``, transports left out. Some ten milliseconds for ten thousand endpoints."""
    objects: dict[str, Any] = {kind: _changed(getattr(old, kind), getattr(new, kind)) for kind in KINDS}
    return SipChange(**objects, general=new.general if new.general != old.general else None)


def _changed(old: Mapping[str, T], new: Mapping[str, T]) -> dict[str, T | None]:
    gone: dict[str, T | None] = {name: None for name in old if name not in new}
    return gone | {name: value for name, value in new.items() if not same(old.get(name), value)}


def same(old: Any, new: Any) -> bool:
    """Whether two settings say the same, wherever they are written."""
    if old == new:
        return True
    if type(old) is not type(new):
        return False
    if isinstance(old, Settings) and replace(old, source=new.source) == new:
        return True  # one comparison, for the many that have only moved
    if isinstance(old, Struct):
        fields = (field for field in old.__struct_fields__ if field != "source")
        return all(same(getattr(old, field), getattr(new, field)) for field in fields)
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(same(value, new[name]) for name, value in old.items())
    return isinstance(old, tuple) and len(old) == len(new) and all(map(same, old, new))


def slices(change: SipChange, size: int) -> Iterator[SipChange]:
    """The change in parts of at most ``size`` objects, in a safe order: what is gone goes last, endpoints first."""
    if change.general is not None:
        yield SipChange(general=change.general)
    for gone, kinds in ((False, KINDS), (True, tuple(reversed(KINDS)))):
        for kind in kinds:
            items = iter([item for item in getattr(change, kind).items() if (item[1] is None) is gone])
            while part := dict(islice(items, size)):
                objects: dict[str, Any] = {kind: part}
                yield SipChange(**objects)


def peer_difference(old: Mapping[str, T], new: Mapping[str, T]) -> Iterator[tuple[T | None, T | None]]:
    """The peers of sip.conf or iax.conf or accounts of xmpp.conf that are different, before and now."""
    for name in {**old, **new}:
        before, now = old.get(name), new.get(name)
        if not same(before, now):
            yield before, now


def _sip_restarts(old: SipSettings, new: SipSettings, file: str, options: Mapping[str, str]) -> list[str]:
    """``options``: fields of the general settings to what the file calls them."""
    found = [f"the transport {name} of {file}" for name in sorted(_changed(old.transports, new.transports))]
    found += [
        f"{option} of {file}"
        for field, option in options.items()
        if getattr(old.general, field) != getattr(new.general, field)
    ]
    return found


def restarts(old: Configuration, new: Configuration) -> list[str]:
    """What changed and takes effect at the next start only, each in words."""
    found = []
    if (old.sip is None) != (new.sip is None):
        found.append("pjsip.conf came" if old.sip is None else "pjsip.conf is gone")
    elif old.sip is not None and new.sip is not None:
        found += _sip_restarts(old.sip, new.sip, "pjsip.conf", {option: option for option in _BUILT_IN})
    if (old.chan_sip is None) != (new.chan_sip is None):
        found.append("sip.conf came" if old.chan_sip is None else "sip.conf is gone")
    elif old.chan_sip is not None and new.chan_sip is not None:
        found += _sip_restarts(old.chan_sip.sip, new.chan_sip.sip, "sip.conf", _BUILT_IN_CHAN_SIP)
    if (old.iax is None) != (new.iax is None):
        found.append("iax.conf came" if old.iax is None else "iax.conf is gone")
    elif old.iax is not None and new.iax is not None and replace(old.iax, peers=new.iax.peers) != new.iax:
        found.append("the general section of iax.conf")
    if not same(old.http, new.http):
        found.append("http.conf")
    if old.ari.enabled != new.ari.enabled:
        found.append("enabled of ari.conf")
    if not same(old.ari.outbound, new.ari.outbound):
        found.append("the outbound WebSockets of ari.conf")
    if not same(old.switchroom, new.switchroom):
        found.append("switchroom.conf")
    return found
