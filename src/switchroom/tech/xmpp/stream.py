"""Streams on slixmpp, as a client (RFC 6120) and as a component (XEP-0114).

slixmpp does the handshakes: TLS, SASL, binding, stream management (XEP-0198). Reading is ours (``parser``), and so is
all that is not a handshake: no stanza of a stranger makes slixmpp remember anything.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol
from xml.etree.ElementTree import Element, SubElement

import structlog
from slixmpp import ClientXMPP, ComponentXMPP
from slixmpp.basexmpp import BaseXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.stanza import Iq, Message, Presence
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.resolver import default_resolver, resolve

from switchroom.core.policy import is_loopback
from switchroom.model.xmpp_settings import XmppAccountSettings
from switchroom.tech.xmpp.limits import MAX_UNCONFIRMED, MAX_UNSENT
from switchroom.tech.xmpp.parser import Closed, Opened, Stanza, StreamParser
from switchroom.tech.xmpp.stanza import DISCO, PING, RECEIPTS, clean, presence_stanza

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

    def answered(self, stream: Stream, stanza_id: str) -> None:
        """An answer to a query of ours came, whatever it says."""
        ...


class Stream(BaseXMPP):
    """What both kinds of streams have in common."""

    settings: XmppAccountSettings
    watcher: Watcher
    #: None while nothing that comes may be believed.
    reader: StreamParser | None = None
    _refused = False
    _fault = ""

    def _prepare(self, settings: XmppAccountSettings, watcher: Watcher) -> None:
        """Puts our handlers in the place of slixmpp's, which keep a roster of everybody who ever wrote."""
        self.settings = settings
        self.watcher = watcher
        for name in ("IM", "IMError", "Presence", "Roster Update", "Ping"):
            self.remove_handler(name)
        self.del_filter("out", self.roster._save_last_status)
        self.del_event_handler("session_start", self._start_keepalive)
        namespace = self.default_ns
        handlers: dict[str, Callable[[Any], None]] = {
            "message": lambda stanza: self.watcher.message(self, stanza.xml),
            "presence": lambda stanza: self.watcher.presence(self, stanza.xml),
            "iq": self._query,
        }
        for name, handler in handlers.items():
            self.register_handler(Callback(name, MatchXPath(f"{{{namespace}}}{name}"), handler))
        self.add_event_handler("session_start", lambda _: self.watcher.bound(self, resumed=False))
        self.add_event_handler("session_resumed", lambda _: self.watcher.bound(self, resumed=True))
        self.add_event_handler("disconnected", self._disconnected)
        self.add_event_handler("connection_failed", self._not_connected)

    # ---- what an account asks

    @property
    def namespace(self) -> str:
        return str(self.default_ns)

    @property
    def resumable(self) -> bool:
        """Whether the next connection may go on with this session."""
        return False

    def open(self) -> None:
        """Connects; one of the watcher's ``bound`` and ``lost`` follows."""
        raise NotImplementedError

    def post(self, element: Element) -> None:
        """Sends a stanza, in order."""
        tag = element.tag.rpartition("}")[2]
        kind = Message if tag == "message" else Iq if tag == "iq" else Presence
        if self.transport is not None and self.transport.get_write_buffer_size() > MAX_UNSENT:
            self.refuse("the server does not read")
            return
        self.send(kind(self, xml=element))

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
        # What another address of the server's did wrong is of no interest any more.
        self._fault = ""

    def data_received(self, data: bytes | str) -> None:
        reader = self.reader
        if reader is None or isinstance(data, str):
            return
        found, fault = reader.feed(data)
        for item in found:
            if isinstance(item, Stanza):
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

    def _query(self, query: Iq) -> None:
        """Answers what is asked of us (RFC 6120 8.2.3), and passes answers on."""
        element = query.xml
        kind = element.get("type")
        if kind in ("result", "error"):
            self.watcher.answered(self, element.get("id", ""))
            return
        if kind not in ("get", "set"):
            return
        child = next(iter(element), None)
        reply = Element(f"{{{self.namespace}}}iq", {"type": "result", "id": element.get("id", "")})
        for name, other in (("to", "from"), ("from", "to")):
            if value := element.get(other):
                reply.set(name, value)
        if kind == "get" and child is not None and child.tag == f"{{{DISCO}}}query":
            answer = SubElement(reply, child.tag)
            identity = ("gateway", "sip") if self.is_component else ("client", "bot")
            SubElement(
                answer, f"{{{DISCO}}}identity", {"category": identity[0], "type": identity[1], "name": "Switchroom"}
            )
            for feature in (DISCO, PING, RECEIPTS):
                SubElement(answer, f"{{{DISCO}}}feature", {"var": feature})
        elif not (kind == "get" and child is not None and child.tag == f"{{{PING}}}ping"):
            reply.set("type", "error")
            error = SubElement(reply, f"{{{self.namespace}}}error", {"type": "cancel"})
            SubElement(error, "{urn:ietf:params:xml:ns:xmpp-stanzas}service-unavailable")
        self.post(reply)

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
        self._management = self.plugin["xep_0198"]
        self._prepare(settings, watcher)
        self.add_event_handler("failed_auth", self._login_failed)
        self.add_event_handler("failed_all_auth", lambda _: self.refuse(_NO_LOGIN, refused=True))
        self.add_event_handler("ssl_invalid_chain", self._tls_failed)

    @property
    def resumable(self) -> bool:
        return bool(self._management.sm_id)

    def post(self, element: Element) -> None:
        if len(self._management.unacked_queue) > MAX_UNCONFIRMED:
            # The next connection begins a new session.
            self._management.sm_id = None
            self._management.unacked_queue.clear()
            self.refuse("the server confirms nothing")
            return
        super().post(element)

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
        presence = presence_stanza(self.namespace)
        if settings.show:
            SubElement(presence, f"{{{self.namespace}}}show").text = settings.show
        if settings.status_message:
            SubElement(presence, f"{{{self.namespace}}}status").text = clean(settings.status_message)
        SubElement(presence, f"{{{self.namespace}}}priority").text = str(settings.priority)
        self.post(presence)

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


@lru_cache(maxsize=64)
def tls_context(verify: bool, ca_file: str) -> ssl.SSLContext:
    """TLS as a client, 1.2 or newer; loading who is known takes some 20 ms, so accounts share it."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_fault(error: ssl.SSLError) -> str:
    """What is wrong with a server's TLS, for the administrator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        believed = "(tls_ca_file and tls_verify say whom to believe)"
        return f"the server's certificate is refused: {error.verify_message} {believed}"
    return f"TLS with the server failed: {error.reason or error}"


class _Nobody:
    """Hears of a stream that nobody waits for any more."""

    def bound(self, stream: Stream, *, resumed: bool) -> None: ...

    def lost(self, stream: Stream, reason: str, *, refused: bool) -> None: ...

    def message(self, stream: Stream, element: Element) -> None: ...

    def presence(self, stream: Stream, element: Element) -> None: ...

    def answered(self, stream: Stream, stanza_id: str) -> None: ...
