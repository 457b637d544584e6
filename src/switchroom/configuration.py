"""The configuration of a running server: what the files say, what was made at run time, and how both change.

A part of the composition root, as it joins ``conf``, the store and those who serve what is configured. Changes
come one at a time. An object of the files wins over one of the same kind and name that was made at run time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from msgspec.structs import replace

from switchroom.conf import Problem, read_directory
from switchroom.conf.difference import peer_difference, restarts, same, sip_difference, slices
from switchroom.conf.pjsip import is_open
from switchroom.conf.sorcery import CLASSES, WRITABLE, Fields, Kind, Unfit, Workshop, find, is_secret, merge, show
from switchroom.core.configuration import Field, Reloaded, patch, separate
from switchroom.core.storage import ObjectStore, StoreUnavailable
from switchroom.model.change import KINDS, SipChange
from switchroom.model.errors import (
    ConfigurationUnusable,
    InvalidParameter,
    ObjectNotFound,
    ObjectReadOnly,
    Overloaded,
)
from switchroom.model.iax2_settings import IaxSettings
from switchroom.model.settings import (
    AriSettings,
    ChanSipSettings,
    Configuration,
    Settings,
    SipEndpointSettings,
    SipSettings,
)
from switchroom.model.xmpp_settings import XmppSettings

log = structlog.get_logger(__name__)

#: Objects made at run time: ten thousand endpoints with all that belongs to them, ten times over.
MAX_OBJECTS = 300_000

#: Objects that are applied before the loop serves others again: some milliseconds.
SLICE = 100

#: Problems a reload tells of; the rest is counted.
MAX_PROBLEMS = 100


class _Made(NamedTuple):
    """An object made at run time."""

    fields: Fields
    #: None: nothing can be made of the fields any more.
    settings: Any


class _Plan(NamedTuple):
    """A reload that was thought through and not yet done."""

    configuration: Configuration
    problems: list[Problem]
    restart_needed: list[str]
    made: dict[tuple[str, str], _Made]
    served: SipSettings
    change: SipChange
    parts: list[SipChange]
    #: Of sip.conf.
    peers: list[SipChange]


class LiveConfiguration:
    """See ``core.configuration.LiveObjects``. ``directory`` is read again on reload, None for a configuration
    that has no files; ``store`` keeps what is made at run time.
    """

    def __init__(self, configuration: Configuration, directory: Path | None, store: ObjectStore) -> None:
        self._started = configuration
        self._files = configuration
        self._directory = directory
        self._store = store
        self._made: dict[tuple[str, str], _Made] = {}
        self._served = configuration.sip or SipSettings()
        self._lock = asyncio.Lock()
        self.last_reload: float | None = None
        self._on_sip: Callable[[SipChange], None] = _nobody
        self._on_chan_sip: Callable[[SipChange], None] = _nobody
        self._on_ari: Callable[[AriSettings], None] = _nobody
        self._on_iax: Callable[[IaxSettings], None] = _nobody
        self._on_xmpp: Callable[[XmppSettings], None] = _nobody

    async def load(self) -> SipSettings | None:
        """Takes in what was made in earlier runs; the settings to serve SIP with, None when it is off."""
        if self._files.sip is None:
            return None
        workshop = _workshop(self._files)
        for path, name, fields in await self._store.all():
            kind = WRITABLE.get(path.rpartition("/")[2])
            if kind is not None:
                self._made[kind.name, name] = _restore(workshop, kind, name, fields)
        for warning in _overruled(self._files.sip, self._made):
            log.warning(warning)
        self._served = _join(self._files.sip, self._made)
        return self._served

    def serve(
        self,
        *,
        sip: Callable[[SipChange], None] | None = None,
        chan_sip: Callable[[SipChange], None] | None = None,
        ari: Callable[[AriSettings], None] | None = None,
        iax: Callable[[IaxSettings], None] | None = None,
        xmpp: Callable[[XmppSettings], None] | None = None,
    ) -> None:
        """Says who serves what; each is called with every change from now on."""
        self._on_sip = sip or self._on_sip
        self._on_chan_sip = chan_sip or self._on_chan_sip
        self._on_ari = ari or self._on_ari
        self._on_iax = iax or self._on_iax
        self._on_xmpp = xmpp or self._on_xmpp

    def chan_sip(self) -> ChanSipSettings:
        """What sip.conf says now."""
        return self._files.chan_sip or ChanSipSettings()

    # ---- objects

    def read(self, config_class: str, object_type: str, object_id: str) -> list[Field]:
        return self._fields(self._kind(config_class, object_type), object_id)

    def _fields(self, kind: Kind, object_id: str) -> list[Field]:
        settings = find(self._served, kind, object_id)
        if settings is None:
            raise _no_object(object_id)
        made = self._made.get((kind.name, object_id)) if not self._in_files(kind, object_id) else None
        fields = show(kind, settings, made.fields if made else ())
        return [Field(name, text, is_secret(kind, name)) for name, text in fields]

    # A caller who goes away in the middle leaves no change half done: hence the shields.

    async def write(
        self, config_class: str, object_type: str, object_id: str, fields: Sequence[tuple[str, str]]
    ) -> list[Field]:
        kind = self._kind(config_class, object_type)
        return await asyncio.shield(self._write(kind, object_id, fields))

    async def _write(self, kind: Kind, object_id: str, fields: Sequence[tuple[str, str]]) -> list[Field]:
        async with self._lock:
            known = find(self._served, kind, object_id) is not None
            if not kind.writable or self._in_files(kind, object_id):
                action = "update" if known else "create"
                raise ObjectReadOnly(f"Cannot {action} sorcery objects of type '{kind.name}'")
            before = self._made.get((kind.name, object_id))
            if before is not None and not fields:
                raise InvalidParameter(f"Fields must be provided to update object '{object_id}'")
            if before is None and len(self._made) >= MAX_OBJECTS:
                raise Overloaded("Too many objects were made at run time")
            merged = merge(before.fields, fields) if before else list(fields)
            try:
                settings = _workshop(self._files).make(kind, object_id, merged)
            except Unfit as wrong:
                action = "Update" if before else "Creation"
                raise InvalidParameter(
                    f"{action} of object '{object_id}' failed field value validation: {wrong}"
                ) from None
            await self._keep(kind, object_id, merged)
            self._made[kind.name, object_id] = _Made(merged, settings)
            self._apply(kind, object_id, settings)
            log.info("an object was written", kind=kind.name, name=object_id)
            if isinstance(settings, SipEndpointSettings) and is_open(settings):
                log.warning("anybody who writes the name of the endpoint in From is let in", name=object_id)
            return self._fields(kind, object_id)

    async def delete(self, config_class: str, object_type: str, object_id: str) -> None:
        await asyncio.shield(self._delete(self._kind(config_class, object_type), object_id))

    async def _delete(self, kind: Kind, object_id: str) -> None:
        async with self._lock:
            if (kind.name, object_id) not in self._made or self._in_files(kind, object_id):
                if find(self._served, kind, object_id) is None:
                    raise _no_object(object_id)
                raise ObjectReadOnly(f"Could not delete object with id '{object_id}'")
            await self._keep(kind, object_id, None)
            del self._made[kind.name, object_id]
            self._apply(kind, object_id, None)
        log.info("an object was deleted", kind=kind.name, name=object_id)

    def _kind(self, config_class: str, object_type: str) -> Kind:
        types = CLASSES.get(config_class)
        if types is None or self._files.sip is None:
            raise ObjectNotFound(f"configClass '{config_class}' not found")
        kind = types.get(object_type)
        if kind is None:
            raise ObjectNotFound(f"objectType '{object_type}' not found")
        return kind

    def _in_files(self, kind: Kind, name: str) -> bool:
        return self._files.sip is not None and find(self._files.sip, kind, name) is not None

    async def _keep(self, kind: Kind, name: str, fields: Fields | None) -> None:
        """Returns when the store has it; None for fields deletes."""
        path = f"res_pjsip/{kind.name}"
        try:
            if fields is None:
                await self._store.delete(path, name)
            else:
                await self._store.put(path, name, fields)
        except StoreUnavailable as error:
            raise Overloaded(f"The change can not be kept now: {error}") from error

    def _apply(self, kind: Kind, name: str, settings: Any) -> None:
        objects: dict[str, Any] = {kind.field: {name: settings}}
        patch(self._served, SipChange(**objects))
        self._on_sip(SipChange(**objects))

    # ---- reload

    async def reload(self) -> Reloaded:
        if self._directory is None:
            raise ConfigurationUnusable("The server was not started from a configuration directory")
        return await asyncio.shield(self._reload(self._directory))

    async def _reload(self, directory: Path) -> Reloaded:
        async with self._lock:
            plan = await asyncio.to_thread(self._plan, directory)
            reloaded = self._report(plan)
            before, self._files = self._files, plan.configuration
            self._made = plan.made
            if not same(before.ari, plan.configuration.ari):
                self._on_ari(plan.configuration.ari)
            if plan.configuration.iax is not None and not same(before.iax, plan.configuration.iax):
                self._on_iax(plan.configuration.iax)
            if not same(_xmpp(before), _xmpp(plan.configuration)):
                self._on_xmpp(_xmpp(plan.configuration))
            for part in plan.parts:
                patch(self._served, part)
                self._on_sip(part)
                await asyncio.sleep(0)
            self._served = plan.served
            for part in plan.peers:
                self._on_chan_sip(part)
                await asyncio.sleep(0)
            self.last_reload = time.time()
        log.info(
            "the configuration was read again",
            added=reloaded.added,
            changed=reloaded.changed,
            removed=reloaded.removed,
            restart_needed=list(reloaded.restart_needed),
        )
        return reloaded

    def _plan(self, directory: Path) -> _Plan:
        """Reads and compares; runs in a thread while nothing changes."""
        configuration, problems = read_directory(directory)
        fatal = next((problem for problem in problems if problem.fatal), None)
        if fatal is not None:
            raise ConfigurationUnusable(f"The configuration can not be used, nothing was changed. {fatal}")
        restart_needed = restarts(self._started, configuration)
        made, served = self._made, self._served
        if self._files.sip is None or configuration.sip is None:
            # A start switches SIP on and off.
            configuration = replace(configuration, sip=self._files.sip)
        else:
            workshop = _workshop(configuration)
            made = {
                key: _restore(workshop, WRITABLE[key[0]], key[1], known.fields) for key, known in self._made.items()
            }
            served = _join(configuration.sip, made)
        if self._files.chan_sip is None or configuration.chan_sip is None:
            configuration = replace(configuration, chan_sip=self._files.chan_sip)
        if self._files.iax is None or configuration.iax is None:
            configuration = replace(configuration, iax=self._files.iax)
        peers = sip_difference(_chan_sip(self._files).sip, _chan_sip(configuration).sip)
        change = sip_difference(self._served, served)
        parts = list(slices(change, SLICE))
        of_peers = list(slices(peers, SLICE))
        return _Plan(configuration, problems, restart_needed, made, served, change, parts, of_peers)

    def _report(self, plan: _Plan) -> Reloaded:
        """Must be asked before the plan is done."""
        added = changed = removed = 0
        for kind in KINDS:
            known = getattr(self._served, kind)
            for name, settings in getattr(plan.change, kind).items():
                removed += settings is None
                added += settings is not None and name not in known
                changed += settings is not None and name in known
        of_sip = peer_difference(_chan_sip(self._files).peers, _chan_sip(plan.configuration).peers)
        of_iax = peer_difference(_iax(self._files).peers, _iax(plan.configuration).peers)
        of_xmpp = peer_difference(_xmpp(self._files).accounts, _xmpp(plan.configuration).accounts)
        for before, now in chain[tuple[Settings | None, Settings | None]](of_sip, of_iax, of_xmpp):
            removed += now is None
            added += before is None
            changed += before is not None and now is not None
        changed += plan.change.general is not None
        problems = [str(problem) for problem in plan.problems]
        if plan.configuration.sip is not None:
            problems += _overruled(plan.configuration.sip, plan.made)
        if len(problems) > MAX_PROBLEMS:
            problems[MAX_PROBLEMS:] = [f"and {len(problems) - MAX_PROBLEMS} more; switchroom check shows all"]
        return Reloaded(
            added=added,
            changed=changed,
            removed=removed,
            restart_needed=plan.restart_needed,
            problems=problems,
        )


def _chan_sip(configuration: Configuration) -> ChanSipSettings:
    return configuration.chan_sip or ChanSipSettings()


def _iax(configuration: Configuration) -> IaxSettings:
    return configuration.iax or IaxSettings()


def _xmpp(configuration: Configuration) -> XmppSettings:
    return configuration.xmpp or XmppSettings()


def _nobody(*change: object) -> None:
    """Nobody serves this part."""


def _no_object(name: str) -> ObjectNotFound:
    return ObjectNotFound(f"Object with id '{name}' not found")


def _workshop(configuration: Configuration) -> Workshop:
    assert configuration.sip is not None
    return Workshop(configuration.access_lists, configuration.sip.general)


def _restore(workshop: Workshop, kind: Kind, name: str, fields: Sequence[tuple[str, str]]) -> _Made:
    settings, complaints = workshop.restore(kind, name, fields)
    for complaint in complaints:
        log.error("an object made at run time has a fault", kind=kind.name, name=name, fault=complaint)
    return _Made(list(fields), settings)


def _overruled(sip: SipSettings, made: Iterable[tuple[str, str]]) -> list[str]:
    """What is in the files too."""
    return [
        f'the {kind} "{name}" was made at run time and is in pjsip.conf too, which wins'
        for kind, name in made
        if name in getattr(sip, WRITABLE[kind].field)
    ]


def _join(sip: SipSettings, made: dict[tuple[str, str], _Made]) -> SipSettings:
    """The settings to serve."""
    joined = separate(sip)
    for (kind, name), known in made.items():
        if known.settings is not None:
            getattr(joined, WRITABLE[kind].field).setdefault(name, known.settings)
    return joined
