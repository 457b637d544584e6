"""A whole configuration directory."""

from __future__ import annotations

import os
from pathlib import Path

from switchroom.conf.acl import AccessLists
from switchroom.conf.ari import read_ari
from switchroom.conf.chan_sip import read_chan_sip
from switchroom.conf.http import read_http
from switchroom.conf.iax2 import read_iax
from switchroom.conf.lines import read_sections
from switchroom.conf.listed import IAX2, SIP
from switchroom.conf.pjsip import read_pjsip
from switchroom.conf.problems import Problem, Problems
from switchroom.conf.sections import Section
from switchroom.conf.switchroom import read_switchroom
from switchroom.conf.websocket_client import read_clients
from switchroom.conf.xmpp import read_xmpp
from switchroom.model.iax2_settings import IaxSettings
from switchroom.model.settings import (
    AriSettings,
    ChanSipSettings,
    Configuration,
    HttpSettings,
    SipSettings,
    Source,
    SwitchroomSettings,
)
from switchroom.model.xmpp_settings import XmppSettings


def read_directory(path: Path | str) -> tuple[Configuration, list[Problem]]:
    """The configuration in a directory and all that is wrong with it.

    With a fatal problem among them the configuration is an empty one. Blocks; never raises for what is in
    the files.
    """
    problems = Problems()
    configuration = _Directory(Path(path), problems).read()
    return Configuration() if problems.any_fatal else configuration, problems.ordered()


class _Directory:
    def __init__(self, path: Path, problems: Problems) -> None:
        self._path = path
        self._problems = problems

    def read(self) -> Configuration:
        if not self._path.is_dir() or not os.access(self._path, os.R_OK | os.X_OK):
            self._problems.fatal(
                Source(str(self._path), 0),
                "there is no such configuration directory, or it can not be read",
                "Name the directory that holds pjsip.conf and ari.conf with --config",
            )
            return Configuration()
        access = AccessLists(self._sections("acl.conf") or [], self._problems)
        pjsip = self._sections("pjsip.conf")
        if (self._path / "pjsip_wizard.conf").exists():
            self._problems.warning(
                Source("pjsip_wizard.conf", 0),
                "pjsip_wizard.conf is not read, so its endpoints do not exist",
                "Write them into pjsip.conf, with templates",
            )
        own = self._sections("switchroom.conf")
        users = self._sections("users.conf") or []
        sip = read_pjsip(pjsip, access, self._problems) if pjsip is not None else None
        return Configuration(
            sip=sip,
            chan_sip=self._chan_sip(users, access, sip),
            http=self._http(access),
            ari=self._ari(access),
            switchroom=read_switchroom(own, self._problems) if own is not None else SwitchroomSettings(),
            iax=self._iax(users, access),
            xmpp=self._xmpp(),
            access_lists=access.by_name,
        )

    def _sections(self, name: str) -> list[Section] | None:
        return read_sections(self._path, name, self._problems)

    def _http(self, access: AccessLists) -> HttpSettings:
        sections = self._sections("http.conf")
        if sections is None:
            self._missing("http.conf", "HTTP is off", "Create it with [general], enabled=yes and bindaddr=127.0.0.1")
            return HttpSettings()
        settings = read_http(sections, access, self._problems)
        if not settings.enabled:
            self._problems.warning(
                Source("http.conf", 0), "HTTP is off, so there is no REST interface", "Write enabled=yes in [general]"
            )
        return settings

    def _ari(self, access: AccessLists) -> AriSettings:
        sections = self._sections("ari.conf")
        if sections is None:
            self._missing("ari.conf", "nobody can log in", "Create it with a section that has type=user and a password")
            return AriSettings()
        clients = read_clients(self._sections("websocket_client.conf") or [], self._problems)
        return read_ari(sections, access, clients, self._problems)

    def _missing(self, name: str, consequence: str, advice: str) -> None:
        self._problems.warning(Source(name, 0), f"there is no {name}, so {consequence}", advice)

    def _chan_sip(self, users: list[Section], access: AccessLists, sip: SipSettings | None) -> ChanSipSettings | None:
        sections = self._sections(SIP.file)
        if sections is None:
            return None
        taken = sip.transports.values() if sip is not None else ()
        return read_chan_sip(sections, users, access, self._problems, taken)

    def _iax(self, users: list[Section], access: AccessLists) -> IaxSettings | None:
        sections = self._sections(IAX2.file)
        return read_iax(sections, users, access, self._problems) if sections is not None else None

    def _xmpp(self) -> XmppSettings | None:
        accounts = self._sections("xmpp.conf")
        if accounts is None:
            accounts = self._sections("jabber.conf")  # its name in old installations
        return read_xmpp(accounts, self._problems) if accounts is not None else None
