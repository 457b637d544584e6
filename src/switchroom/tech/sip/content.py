"""What a MESSAGE carries beside plain text: an envelope (RFC 3862), and what became of a text (RFC 5438).

Between endpoints it passes as it is. Here it is read for those who take plain text alone, and for what is said about
texts of ours; and ours are put into an envelope when their sender asks to be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from switchroom.model.errors import InvalidParameter
from switchroom.model.message import Notification, ReceivedText, TextMessage
from switchroom.wire.sip import cpim, imdn
from switchroom.wire.sip.errors import SipError
from switchroom.wire.sip.headers import NameAddr
from switchroom.wire.sip.imdn import Disposition

PLAIN = "text/plain"

#: RFC 3994: that somebody types. It is true for a moment.
COMPOSING = "application/im-iscomposing+xml"

#: The header of an envelope by which a sender asks to be told, also as a variable of sendMessage.
ASKING = "imdn.Disposition-Notification"

#: What of RFC 5438 section 7 is kept. ``forbidden`` and ``error`` are about the notification, not about the text.
_NOTIFICATIONS = {
    "delivered": Notification.DELIVERED,
    "displayed": Notification.DISPLAYED,
    "failed": Notification.FAILED,
}


class Content(NamedTuple):
    """What was read of a body."""

    #: The text in it, for who takes no other; None when there is none.
    text: str | None = None
    #: Of an envelope, as variables of an application.
    shown: Mapping[str, str] = {}
    #: What it says about another text; and about nothing but that.
    disposition: Disposition | None = None
    #: The name under which its sender wants to be told what becomes of it; empty when it does not.
    asked: str = ""

    @property
    def notification(self) -> Notification | None:
        return _NOTIFICATIONS.get(self.disposition.status) if self.disposition is not None else None


NOTHING = Content()


def read_content(media_type: str, body: bytes) -> Content:
    """Of a body that is no plain text; what can not be read is nothing to us, and passes all the same."""
    try:
        if media_type == imdn.MEDIA_TYPE:
            return Content(disposition=imdn.parse_imdn(body))
        if media_type != cpim.MEDIA_TYPE:
            return NOTHING
        envelope = cpim.parse_envelope(body)
        if envelope.media_type == imdn.MEDIA_TYPE:
            return Content(disposition=imdn.parse_imdn(envelope.content))
    except SipError:
        return NOTHING
    asked = envelope.find("Message-ID", imdn.NAMESPACE) if envelope.find(*_ASKING) else ""
    if envelope.media_type != PLAIN:
        return Content(asked=asked)
    shown = {f"CPIM-{header.name}": header.value for header in envelope.headers}
    return Content(envelope.content.decode("utf-8", "replace"), shown, asked=asked)


_ASKING = ("Disposition-Notification", imdn.NAMESPACE)


def unwrapped(text: ReceivedText, content: Content) -> ReceivedText:
    """What applications see of an envelope: the text in it, and its headers as variables. Who it is from is proven, as
    with any text, and not what the envelope says.
    """
    body = (content.text or "").rstrip("\r\n")
    return ReceivedText(text.sender, text.to, body, {**text.variables, **content.shown})


# ---- out


def asking(headers: Sequence[tuple[str, str]], media_type: str | None) -> str:
    """What a caller wants to be told of a text, as RFC 5438 6.2 writes it; empty when nothing.

    Raises:
        InvalidParameter: it is nothing that can be asked for, or the text is in an envelope already.
    """
    asked = next((value for name, value in headers if name.lower() == ASKING.lower()), "")
    if not asked:
        return ""
    if media_type is not None and media_type.partition(";")[0].strip().lower() == cpim.MEDIA_TYPE:
        raise InvalidParameter(f"{ASKING} stands in the message/cpim itself")
    wanted = [item.strip().lower() for item in asked.split(",")]
    if not set(wanted).issubset(imdn.REQUESTS):
        raise InvalidParameter(f"{ASKING} takes {', '.join(imdn.REQUESTS)}")
    return ", ".join(wanted)


def enveloped(
    message: TextMessage, sender: NameAddr, to: NameAddr, asked: str, media_type: str | None, body: bytes
) -> bytes:
    """A text of ours as message/cpim that asks to be told what becomes of it (RFC 5438 section 7.1.1)."""
    headers = [
        ("From", str(sender)),
        ("To", str(to)),
        ("DateTime", datetime.fromtimestamp(message.created, UTC).isoformat(timespec="seconds")),
        ("NS", f"imdn <{imdn.NAMESPACE}>"),
        ("imdn.Message-ID", message.id),
        (ASKING, asked),
    ]
    return cpim.write_envelope(headers, media_type or f"{PLAIN};charset=utf-8", body)
