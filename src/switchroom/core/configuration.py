"""The configuration while the server runs: objects that can be asked for and made, files that are read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from switchroom.model.change import KINDS, SipChange
from switchroom.model.settings import SipSettings


class Field(NamedTuple):
    """One attribute of a configuration object. ``secret``: only for those who may change the object."""

    attribute: str
    value: str
    secret: bool = False


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """What reading the files again brought; field order is the order on the wire."""

    #: Objects and listed endpoints that came, are different, or are gone.
    added: int
    changed: int
    removed: int
    #: What changed in the files and takes effect at the next start only.
    restart_needed: Sequence[str]
    #: What is wrong with the files, as ``switchroom check`` says it; the first ones when there are many.
    problems: Sequence[str]


class LiveObjects(Protocol):
    """Configuration objects by class, type and id, as Asterisk names them (``res_pjsip``, ``endpoint``, ``alice``).

    The methods on objects raise ObjectNotFound for what does not exist.
    """

    @property
    def last_reload(self) -> float | None:
        """Wall-clock seconds, None before the first."""
        ...

    def read(self, config_class: str, object_type: str, object_id: str) -> list[Field]:
        """All fields of an object."""
        ...

    async def write(
        self, config_class: str, object_type: str, object_id: str, fields: Sequence[tuple[str, str]]
    ) -> list[Field]:
        """Makes an object, or updates the given fields of one that was made so; kept and in effect on return.

        Raises:
            InvalidParameter: a field can not be used; nothing has changed.
            ObjectReadOnly: it is an object of the files, or of a kind that only files have.
            Overloaded: there are too many, or it can not be kept now.
        """
        ...

    async def delete(self, config_class: str, object_type: str, object_id: str) -> None:
        """Forgets an object that was made at run time.

        Raises:
            ObjectReadOnly, Overloaded: as ``write``.
        """
        ...

    async def reload(self) -> Reloaded:
        """Reads the files again and applies what is different.

        Raises:
            ConfigurationUnusable: the files can not be used; nothing has changed.
        """
        ...


def separate(settings: SipSettings) -> SipSettings:
    """The same settings in dictionaries of their own, so that ``patch`` changes them for one owner alone."""
    objects: dict[str, Any] = {kind: dict(getattr(settings, kind)) for kind in KINDS}
    return msgspec.structs.replace(settings, **objects)


def patch(settings: SipSettings, change: SipChange) -> None:
    """Brings the dictionaries up to date; what is not kept by name is left to the owner."""
    for kind in KINDS:
        objects = getattr(settings, kind)
        for name, value in getattr(change, kind).items():
            if value is None:
                objects.pop(name, None)
            else:
                objects[name] = value
