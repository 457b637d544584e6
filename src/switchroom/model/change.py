"""What is different between two configurations, for those who serve one of them."""

from __future__ import annotations

import msgspec

from switchroom.model.settings import (
    AorSettings,
    AuthSettings,
    IdentifySettings,
    RegistrationSettings,
    SipAclSettings,
    SipEndpointSettings,
    SipGlobalSettings,
)

#: The kinds of objects that can change while the server runs, in the order in which it is safe to apply them:
#: whom to keep out first, then what endpoints lean on, then endpoints, then what leads to them.
KINDS = ("acls", "domain_aliases", "auths", "aors", "endpoints", "identifies", "registrations")


class SipChange(msgspec.Struct, frozen=True, kw_only=True):
    """By name what is new or different in a ``SipSettings``; None for what is gone.

    Whoever applies several changes one after the other arrives at the new settings; transports can not change.
    """

    endpoints: dict[str, SipEndpointSettings | None] = {}
    auths: dict[str, AuthSettings | None] = {}
    aors: dict[str, AorSettings | None] = {}
    identifies: dict[str, IdentifySettings | None] = {}
    acls: dict[str, SipAclSettings | None] = {}
    domain_aliases: dict[str, str | None] = {}
    registrations: dict[str, RegistrationSettings | None] = {}
    #: None: as before.
    general: SipGlobalSettings | None = None
