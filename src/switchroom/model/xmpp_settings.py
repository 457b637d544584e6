"""xmpp.conf, as settings; see ``model.settings``."""

from __future__ import annotations

import msgspec

from switchroom.model.settings import Settings


class XmppAccountSettings(Settings, frozen=True, kw_only=True):
    """One section of xmpp.conf: a connection as a client or as a component (XEP-0114). Empty text means not set."""

    component: bool = False
    #: A client's JID, with a resource if one is wanted; a component's domain.
    username: str = ""
    secret: str = ""
    #: Empty: the server is looked up in DNS (RFC 6120 section 3.2), which components can not do.
    server_host: str = ""
    port: int = 5222
    #: No text goes over a connection without TLS; no use to a component, whose protocol has none.
    use_tls: bool = True
    #: TLS from the first byte (XEP-0368) in place of STARTTLS.
    direct_tls: bool = False
    #: The server's certificate must be signed by somebody known and name the JID's domain.
    tls_verify: bool = True
    #: PEM file of those who are known, in place of the system's.
    tls_ca_file: str = ""
    #: Ask the server whether it is there when nothing else goes on.
    keepalive: bool = True
    priority: int = 1
    #: RFC 6121 4.7.2.1: ``away``, ``chat``, ``dnd``, ``xa``; empty: plainly available.
    show: str = ""
    status_message: str = "Online and Available"
    #: Bare JIDs; a text from one of them carries the variable XMPP_BUDDY.
    buddies: tuple[str, ...] = ()
    #: Who asks to see this account's presence may.
    autoregister: bool = True
    #: Texts that come are shown to applications.
    receive_texts: bool = True

    @property
    def complete(self) -> bool:
        """Whether it has what a connection needs."""
        return bool(self.username and self.secret and (self.server_host or not self.component))

    def __repr__(self) -> str:
        """Without the secret: settings end up in logs."""
        return f"XmppAccountSettings(name={self.name!r}, username={self.username!r}, secret=***)"

    __str__ = __repr__


class XmppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """xmpp.conf."""

    accounts: dict[str, XmppAccountSettings] = {}
