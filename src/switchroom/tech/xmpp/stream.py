"""Streams on slixmpp, as a client (RFC 6120) and as a component (XEP-0114).

slixmpp does the handshakes: TLS, SASL, binding, stream management (XEP-0198). Reading is ours (``parser``), and once
there is a session so is all else: what is sent is written at once and what comes is handed over at once, beside
slixmpp's queue, filters and stanza objects, which take most of a millisecond for a text. No stanza of a stranger makes
slixmpp remember anything.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from xml.etree.ElementTree import Element

import structlog
from slixmpp import ClientXMPP, ComponentXMPP
from slixmpp.basexmpp import BaseXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.resolver import default_resolver, resolve

from switchroom.core.policy import is_loopback
from switchroom.model.xmpp_settings import XmppAccountSettings
from switchroom.tech.xmpp.limits import MAX_UNCONFIRMED, MAX_UNSENT
from switchroom.tech.xmpp.management import ACKNOWLEDGEMENT_TAG, REQUEST_TAG, Management
from switchroom.tech.xmpp.parser import Closed, Opened, Stanza, StreamParser
from switchroom.tech.xmpp.stanza import (
    DISCO,
    PING,
    answer_stanza,
    clean,
    error_child,
    features_child,
    greeting_stanza,
    ping_stanza,
)
from switchroom.tech.xmpp.tls import tls_context, tls_fault

log = structlog.get_logger(__name__)

#: slixmpp's own log would hold passwords and texts; what people need to know is said by ``account``.
_slixmpp_log = logging.getLogger("slixmpp")
_slixmpp_log.addHandler(logging.NullHandler())
_slixmpp_log.propagate = False

_PROCEED = "{urn:ietf:params:xml:ns:xmpp-tls}proceed"

#: Asterisk's resource.
_RESOURCE = "asterisk-xmpp"

#: Stream errors (RFC 6120 4.9.3) that a quick new attempt would only repeat.
_REFUSALS = frozenset({"conflict", "host-unknown", "not-authorized", "policy-violation"})


class Watcher(Protocol):
    """Who hears what becomes of a stream."""

    def bound(self, stream: Stream, *, resumed: bool) -> None:
        """Stanzas can be sent. ``resumed``: it is the session of before, and nothing was lost."""
        ...

    def lost(self, stream: Stream, reason: str, *, refused: bool) -> None:
        """There is no connection any more, or there never was. ``refused``: the server said no."""
        ...

    def message(self, stream: Stream, element: Element) -> None: ...

    def presence(self, stream: Stream, element: Element) -> None: ...

    def answered(self, stream: Stream, question: str) -> None:
        """The server has what was sent before it was asked (see ``Stream.ask``)."""
        ...


class Stream(BaseXMPP):
    """What both kinds of streams have in common."""

    settings: XmppAccountSettings
    watcher: Watcher
    #: None while nothing that comes may be believed.
    reader: StreamParser | None = None
    #: Where the server and we count stanzas.
    management: Management | None = None
    #: There is a session: what comes is handed over without slixmpp.
    _begun = False
    _refused = False
    _fault = ""
    _question = ""

    def _prepare(self, settings: XmppAccountSettings, watcher: Watcher) -> None:
        """Puts our handlers in the place of slixmpp's, which keep a roster of everybody who ever wrote."""
        self.settings = settings
        self.watcher = watcher
        self._unwritten: list[str] = []
        for name in ("IM", "IMError", "Presence", "Roster Update", "Ping"):
            self.remove_handler(name)
        self.del_filter("out", self.roster._save_last_status)
        self.del_event_handler("session_start", self._start_keepalive)
        #: Who is given what comes in a session.
        self._takers: dict[str, Callable[[Element], None]] = {
            f"{{{self.namespace}}}message": lambda element: self.watcher.message(self, element),
            f"{{{self.namespace}}}presence": lambda element: self.watcher.presence(self, element),
            f"{{{self.namespace}}}iq": self._query,
        }
        for tag, taker in self._takers.items():
            # Those a component's server sends in another namespace.
            self.register_handler(Callback(tag, MatchXPath(tag), partial(_hand_over, taker)))
        self.add_event_handler("session_start", lambda _: self._session_made())
        self.add_event_handler("session_resumed", lambda _: self._begin(resumed=True))
        self.add_event_handler("disconnected", self._disconnected)
        self.add_event_handler("connection_failed", self._not_connected)

    # ---- what an account asks

    @property
    def namespace(self) -> str:
        return str(self.default_ns)

    @property
    def resumable(self) -> bool:
        """Whether the next connection may go on with this session."""
        return self.management is not None and self.management.resumable

    @property
    def far_end(self) -> tuple[str, str]:
        """Where the server is, as ``host:port``, and whether by ``tcp`` or ``tls``; empty while there is none."""
        if self.transport is None:
            return "", ""
        host, port = self.transport.get_extra_info("peername")[:2]
        protected = self.transport.get_extra_info("ssl_object") is not None
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "tls" if protected else "tcp"

    def open(self) -> None:
        """Connects; one of the watcher's ``bound`` and ``lost`` follows."""
        raise NotImplementedError

    def post(self, stanza: str) -> None:
        """Sends a stanza, in order; only while there is a session."""
        if self.transport is not None and self.transport.get_write_buffer_size() > MAX_UNSENT:
            self.refuse("the server does not read")
            return
        management = self.management
        if management is not None:
            if management.unconfirmed > MAX_UNCONFIRMED:
                # The next connection begins a new session.
                management.forget()
                self.refuse("the server confirms nothing")
                return
            stanza += management.sent(stanza)
        self._write(stanza)

    def ask(self, question: str) -> None:
        """Asks the server for a word (``Watcher.answered``) once it has all that was sent before."""
        if self.management is not None and self.management.active:
            self._write(self.management.ask(question))
            return
        self._question = question
        # A component has no server of its own name: its question comes back to itself, and that tells the same.
        own = self.boundjid.domain if self.is_component else ""
        self.post(ping_stanza(question, own, self.boundjid.domain))

    def _write(self, xml: str) -> None:
        """What is written in one turn of the loop goes in one piece: a system call costs more than all else here."""
        if not self._unwritten:
            self.loop.call_soon(self._flush)
        self._unwritten.append(xml)

    def _flush(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        # While a connection ends, what is written is lost anyway; who counts or asks finds out.
        if unwritten and self.transport is not None and not self.transport.is_closing():
            self.transport.write("".join(unwritten).encode())

    def send_raw(self, data: str | bytes) -> None:
        """What slixmpp writes."""
        self._flush()
        super().send_raw(data)

    def greet(self) -> None:
        """Says that we are there, after a new session began."""

    def refuse(self, reason: str, *, refused: bool = False) -> None:
        """Gives the connection up; the first reason is the one that is told."""
        self._fault = self._fault or reason
        self._refused = self._refused or refused
        self.abort()

    def discard(self) -> None:
        """Ends everything without a word to anybody."""
        self.watcher = _Nobody()
        self.cancel_connection_attempt()
        self.abort()
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()

    async def close(self, wait: float) -> None:
        """Closes the stream in order, if the server answers in time, and discards it."""
        self.watcher = _Nobody()
        self.cancel_connection_attempt()
        if self.transport is not None:
            await self.disconnect(wait=wait)
        self.discard()

    # ---- reading

    def init_parser(self) -> None:
        self.reader = StreamParser()
        self._begun = False
        self._unwritten.clear()
        # What another address of the server's did wrong is of no interest any more.
        self._fault = ""

    def data_received(self, data: bytes | str) -> None:
        reader = self.reader
        if reader is None or isinstance(data, str):
            return
        found, fault = reader.feed(data)
        for item in found:
            if isinstance(item, Stanza):
                if self._begun:
                    self._take(item.element)
                    continue
                if item.element.tag == _PROCEED:
                    # What follows was not protected: it is from before TLS (RFC 6120 5.4.3.3).
                    self.reader = None
                self._spawn_event(item.element)
            elif isinstance(item, Opened):
                self.start_stream_handler(item.root)  # type: ignore[no-untyped-call]
            elif isinstance(item, Closed):
                self.refuse("the server closed the stream")
            if self.reader is not reader:
                return
        if fault is not None:
            self.refuse(str(fault))

    def _session_made(self) -> None:
        """The server knows who we are, and takes stanzas."""
        self._begin(resumed=False)

    def _begin(self, *, resumed: bool) -> None:
        self._begun = True
        if self.management is not None:
            self.management.start()
        self.watcher.bound(self, resumed=resumed)

    def _take(self, element: Element) -> None:
        """What comes in a session."""
        taker = self._takers.get(element.tag)
        if taker is None:
            self._spawn_event(element)
            return
        try:
            taker(element)
        except Exception as error:
            self.exception(error)

    def _query(self, element: Element) -> None:
        """Answers what is asked of us (RFC 6120 8.2.3), and passes answers on."""
        kind, stanza_id = element.get("type"), element.get("id", "")
        sender, to = element.get("from", ""), element.get("to", "")
        if kind in ("result", "error"):
            # Questions are for the server, or a component's own for itself; it writes who sends (RFC 6120 8.1.2.1).
            if sender in ("", self.boundjid.domain, self.boundjid.bare, self.boundjid.full):
                self.watcher.answered(self, stanza_id)
        elif kind not in ("get", "set"):
            return
        elif self.is_component and stanza_id == self._question and sender == to == self.boundjid.domain:
            self.watcher.answered(self, stanza_id)
        else:
            child = next(iter(element), None)
            tag = child.tag if child is not None and kind == "get" else ""
            if tag == f"{{{DISCO}}}query":
                features = features_child("gateway", "sip") if self.is_component else features_child("client", "bot")
                self.post(answer_stanza("result", stanza_id, to, sender, features))
            elif tag == f"{{{PING}}}ping":
                self.post(answer_stanza("result", stanza_id, to, sender))
            else:
                refusal = error_child("service-unavailable", "cancel")
                self.post(answer_stanza("error", stanza_id, to, sender, refusal))

    # ---- what becomes of it

    def reschedule_connection_attempt(self) -> asyncio.Future[Any] | None:
        """slixmpp would try for ever by itself, and every account at the same time."""
        self._current_connection_attempt = None
        self._tell_lost("the server can not be reached")
        return None

    def _not_connected(self, error: object) -> None:
        """An address does not answer; there may be others."""
        self._fault = tls_fault(error) if isinstance(error, ssl.SSLError) else f"the server can not be reached: {error}"

    def _disconnected(self, reason: object) -> None:
        if isinstance(reason, ssl.SSLError):
            self._refused = True
            self._tell_lost(tls_fault(reason))
        else:
            self._tell_lost(str(reason or "the connection was closed"))

    def _tell_lost(self, reason: str) -> None:
        fault, refused = self._fault or reason, self._refused
        self._fault, self._refused = "", False
        self.watcher.lost(self, fault, refused=refused)

    def _handle_stream_error(self, error: Any) -> None:
        """slixmpp would follow ``see-other-host`` to wherever it says."""
        condition = str(error["condition"])
        explanation = f" ({clean(str(error['text']))[:200]})" if error["text"] else ""
        self.refuse(f"the server ended the stream: {condition}{explanation}", refused=condition in _REFUSALS)

    def exception(self, exception: Exception) -> None:
        """Something in a stanza that slixmpp could not handle."""
        log.debug("a stanza was not understood", account=self.settings.name, error=repr(exception)[:200])


class ClientStream(Stream, ClientXMPP):
    """An account of a server."""

    def __init__(self, settings: XmppAccountSettings, watcher: Watcher) -> None:
        name = settings.username
        local = is_loopback(settings.server_host) or settings.server_host == "localhost"
        ClientXMPP.__init__(
            self,
            name if "/" in name else f"{name}/{_RESOURCE}",
            settings.secret,
            plugin_config={
                "feature_mechanisms": {
                    "unencrypted_scram": not settings.use_tls,
                    "unencrypted_digest": not settings.use_tls,
                    # The password itself goes over no wire that others can read.
                    "unencrypted_plain": not settings.use_tls and local,
                }
            },
            ssl_context=tls_context(settings.tls_verify, settings.tls_ca_file),
        )
        self.register_plugin("xep_0198")
        self._prepare(settings, watcher)
        self._manage(self.plugin["xep_0198"])
        self.add_event_handler("failed_auth", self._login_failed)
        self.add_event_handler("failed_all_auth", lambda _: self.refuse(_NO_LOGIN, refused=True))
        self.add_event_handler("ssl_invalid_chain", self._tls_failed)

    def _manage(self, plugin: Any) -> None:
        """Puts our counting in the place of slixmpp's; what it does before the session has begun stays."""
        self.management = management = Management(plugin)

        def counted(taker: Callable[[Element], None], element: Element) -> None:
            management.received()
            taker(element)

        self._takers = {tag: partial(counted, taker) for tag, taker in self._takers.items()}
        self._takers[REQUEST_TAG] = lambda _: self._write(management.acknowledgement())
        self._takers[ACKNOWLEDGEMENT_TAG] = self._confirmed
        for event in ("sm_enabled", "sm_failed"):
            self.add_event_handler(event, lambda _: self._management_settled())

    def _confirmed(self, element: Element) -> None:
        assert self.management is not None
        try:
            question = self.management.confirm(element)
        except ValueError:
            self.management.forget()
            self.refuse("the server confirms what was never sent")
            return
        if question:
            self.watcher.answered(self, question)

    def send(self, data: Any, use_filters: bool = True) -> None:
        """slixmpp sends what it negotiates, and when a session is resumed what we counted as not confirmed."""
        if isinstance(data, str):
            self._write(data)
        else:
            super().send(data, use_filters)

    def init_parser(self) -> None:
        super().init_parser()
        self._offered = self._made = False

    def _session_made(self) -> None:
        """With a server that counts stanzas the session begins when it does: what is sent earlier could get lost."""
        self._made = True
        if not self._offered:
            self._begin(resumed=False)

    def _management_settled(self) -> None:
        self._offered = False
        if self._made and not self._begun:
            self._begin(resumed=False)

    @property
    def _protected(self) -> bool:
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    def open(self) -> None:
        settings = self.settings
        self.enable_direct_tls = settings.direct_tls or (settings.use_tls and not settings.server_host)
        self.enable_starttls = settings.use_tls and not settings.direct_tls
        self.enable_plaintext = not (self.enable_direct_tls or self.enable_starttls)
        if settings.server_host:
            self.connect(settings.server_host, settings.port)
        else:
            self.default_port = settings.port
            self.connect()

    async def get_dns_records(self, domain: str, port: int | None = None) -> list[tuple[str, str, str, int]]:
        """RFC 6120 3.2.1 wants SRV without TLS too; slixmpp then asks for addresses only."""
        if not self.enable_plaintext:
            return await super().get_dns_records(domain, port)
        return await resolve(
            domain,
            port or self.default_port,
            services=list(self.starttls_services),
            resolver=default_resolver(loop=self.loop),
            loop=self.loop,
        )

    def greet(self) -> None:
        settings = self.settings
        self.post(greeting_stanza(settings.show, settings.status_message, settings.priority))

    async def _handle_stream_features(self, features: Any) -> bool | None:
        offered = features["features"]
        if self.settings.use_tls and not self._protected and "starttls" not in offered:
            self.refuse("the server offers no TLS, and usetls is yes", refused=True)
            return True
        if not self.authenticated and "mechanisms" not in offered and "starttls" not in offered:
            self.refuse("the server offers no way to log in", refused=True)
            return True
        if not self.settings.use_tls and "mechanisms" not in offered and not self.authenticated:
            self.refuse("the server demands TLS, and usetls is no", refused=True)
            return True
        self._offered = "sm" in offered
        try:
            return await ClientXMPP._handle_stream_features(self, features)
        except (IqError, IqTimeout) as error:
            condition = error.iq["error"]["condition"] if isinstance(error, IqError) else "no answer"
            self.refuse(f"the server gives no session: {condition}", refused=isinstance(error, IqError))
            return True

    def _login_failed(self, failure: Any) -> None:
        """A wrong password is wrong in every mechanism; but without a channel to bind to it may be right."""
        mechanism = self.plugin["feature_mechanisms"].mech
        if mechanism is None or not mechanism.name.endswith("-PLUS"):
            self.refuse(f"the server refuses name or password: {failure['condition']}", refused=True)

    def _tls_failed(self, error: ssl.SSLError) -> None:
        self.refuse(tls_fault(error), refused=True)
        # Whether the loop tells of the end of a connection whose handshake failed depends on the loop.
        self._tell_lost(tls_fault(error))


class ComponentStream(Stream, ComponentXMPP):
    """A whole domain, on a server that lets us speak for it."""

    def __init__(self, settings: XmppAccountSettings, watcher: Watcher) -> None:
        host, port = settings.server_host, settings.port
        ComponentXMPP.__init__(self, settings.username, settings.secret, host, port)  # type: ignore[no-untyped-call]
        self.default_lang = None
        self._prepare(settings, watcher)

    def open(self) -> None:
        self.connect()


_NO_LOGIN = "the server offers no way to log in that is safe enough"


def open_stream(settings: XmppAccountSettings, watcher: Watcher) -> Stream:
    """A stream for an account, not connected yet.

    Raises:
        OSError: tls_ca_file can not be read, or holds no certificate.
    """
    return ComponentStream(settings, watcher) if settings.component else ClientStream(settings, watcher)


def _hand_over(taker: Callable[[Element], None], stanza: Any) -> None:
    taker(stanza.xml)


class _Nobody:
    """Hears of a stream that nobody waits for any more."""

    def bound(self, stream: Stream, *, resumed: bool) -> None: ...

    def lost(self, stream: Stream, reason: str, *, refused: bool) -> None: ...

    def message(self, stream: Stream, element: Element) -> None: ...

    def presence(self, stream: Stream, element: Element) -> None: ...

    def answered(self, stream: Stream, question: str) -> None: ...
