"""One request on its way to an operation: who asks, what the path names, which parameters came.

Nothing here knows of HTTP beyond media types, so that the same operations can serve other ways in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from switchroom.ari import parameters
from switchroom.ari.errors import Refusal
from switchroom.core.configuration import LiveObjects
from switchroom.core.messages import Messages
from switchroom.core.ports import Clock
from switchroom.core.referrals import Referrals
from switchroom.core.registry import Registry
from switchroom.core.security import SecurityLog
from switchroom.model.settings import AriUser, SwitchroomSettings

if TYPE_CHECKING:
    from aiohttp import web

    from switchroom.ari.applications import Applications
    from switchroom.ari.devices import Devices
    from switchroom.ari.gate import Gate
    from switchroom.ari.render import Renderer
    from switchroom.ari.sockets import Sockets

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"

#: No number of any operation has so many.
_DIGITS = 16


class Services(NamedTuple):
    """What operations work with."""

    registry: Registry
    messages: Messages
    referrals: Referrals
    applications: Applications
    devices: Devices
    objects: LiveObjects
    renderer: Renderer
    sockets: Sockets
    gate: Gate
    security: SecurityLog
    clock: Clock
    ours: SwitchroomSettings
    entity_id: str
    #: Wall-clock seconds.
    started: float
    #: The path of the API, as ``/prefix/ari``.
    root: str
    #: How ETag lines of this run of the server begin.
    tag: bytes


class Call:
    """A request that is authenticated and routed.

    Of parameters, the query string beats a form body and a JSON body beats both; the last of several
    counts. A JSON ``null`` makes a parameter absent; any other wrong type is refused.
    """

    __slots__ = ("_given", "_json", "base", "body", "media_type", "path", "query", "request", "services", "user")

    def __init__(
        self,
        services: Services,
        user: AriUser,
        path: tuple[str, ...],
        query: list[tuple[str, str]],
        media_type: str = "",
        body: bytes = b"",
        request: web.BaseRequest | None = None,
        base: str | None = None,
    ) -> None:
        self.services = services
        self.user = user
        #: The variable segments of the path, decoded.
        self.path = path
        self.media_type = media_type
        self.body = body
        #: Present when the call came over HTTP.
        self.request = request
        #: The API's address as the client wrote it; present when the call opens a WebSocket.
        self.base = base
        #: The pairs of the query string, in order.
        self.query = query
        self._given: dict[str, str] | None = None
        self._json: Any = None

    def given(self) -> dict[str, str]:
        """Query and form parameters; reads the body the first time."""
        if self._given is None:
            self._given = self._read()
        return self._given

    def _read(self) -> dict[str, str]:
        if self.body:
            if self.media_type == JSON_TYPE:
                self._json = parameters.json(self.body)
                if not isinstance(self._json, dict):
                    raise Refusal(400, "The request body must be a JSON object")
            elif self.media_type == FORM_TYPE:
                return dict(parameters.form(self.body) + self.query)
            elif self.services.ours.strict:
                raise Refusal(415, "The request body must be JSON or a form")
        return dict(self.query)

    def take_text_body(self) -> str | None:
        """The body itself as text, when it is marked JSON and is no JSON object (docs/rulings.md 3).

        Only without a ``body`` parameter, and not in strict mode. The body counts as read then.
        """
        if not self.body or self.media_type != JSON_TYPE or self.services.ours.strict:
            return None
        given = dict(self.query)
        if "body" in given:
            return None
        try:
            if isinstance(parameters.json(self.body), dict):
                return None
        except Refusal:
            pass
        try:
            text = self.body.decode()
        except UnicodeDecodeError:
            raise Refusal(400, "The text is not UTF-8") from None
        self._given = given
        return _plain("body", text)

    def mentions(self, names: frozenset[str]) -> bool:
        """Whether any parameter of these names came, in whatever way."""
        return not (names.isdisjoint(self.given()) and (not self._json or names.isdisjoint(self._json)))

    def object(self, name: str) -> Any:
        """A JSON-only parameter of any type; None when absent or null."""
        self.given()
        return self._json.get(name) if self._json else None

    def holds(self, name: str) -> bool:
        """Whether the JSON body has the key, null or not."""
        self.given()
        return bool(self._json) and name in self._json

    def object_is_empty(self) -> bool:
        """Whether the JSON body is missing or has no key at all."""
        self.given()
        return not self._json

    def text(self, name: str) -> str | None:
        """A text parameter; None when absent."""
        given = self.given()
        if self._json and name in self._json:
            value = self._json[name]
            if value is not None and not isinstance(value, str):
                raise Refusal(400, f"{name} must be a string")
        else:
            value = given.get(name)
        return None if value is None else _plain(name, value)

    def required(self, name: str) -> str:
        """A text parameter that must be there and not be empty (docs/rulings.md 1)."""
        value = self.text(name)
        if not value:
            raise Refusal(400, f"{name[:1].upper()}{name[1:]} must be specified")
        return value

    def flag(self, name: str) -> bool:
        """A boolean parameter, false when absent; JSON's own booleans or the words of a query string."""
        if self.holds(name):
            value = self._json[name]
            if isinstance(value, bool):
                return value
        text = self.text(name)
        return text is not None and parameters.boolean(name, text)

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A number parameter within these bounds; None when absent."""
        value = self._json[name] if self.holds(name) else None
        if not isinstance(value, int) or isinstance(value, bool):
            text = self.text(name)
            if text is None:
                return None
            value = int(text) if text.isdecimal() and text.isascii() and len(text) < _DIGITS else -1
        if not least <= value <= most:
            raise Refusal(400, f"{name} must be a whole number from {least} to {most}")
        return value

    def values(self, name: str) -> list[str] | None:
        """A list parameter: comma list, or in JSON an array of strings or one string. None when absent."""
        if self.holds(name) and isinstance(self._json[name], list):
            items: list[Any] = self._json[name]
            if not all(isinstance(item, str) for item in items):
                raise Refusal(400, f"{name} must be a list of strings")
            return parameters.bounded(name, items)
        text = self.text(name)
        return None if text is None else parameters.comma_list(name, text)

    def variables(self) -> dict[str, str]:
        """``variables``: an object of strings. Names differ by more than case: a later one replaces the value."""
        given = self.object("variables")
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise Refusal(400, "variables must be an object of strings")
        for name, value in given.items():
            if not isinstance(value, str):
                raise Refusal(400, f"Only string values in the 'variables' object allowed: {name}")
        if len(given) < 2:
            return given
        spelling: dict[str, str] = {}
        return {spelling.setdefault(name.lower(), name): value for name, value in given.items()}


def _plain(name: str, value: str) -> str:
    if "\0" in value:
        raise Refusal(400, f"{name} must not contain NUL")
    return value
