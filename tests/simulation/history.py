"""What a client knows that has heard every event since the server's start: it must be what is so (SECURITY.md R01)."""

from __future__ import annotations

from switchroom.core.messages import Messages
from switchroom.core.registry import Registry
from switchroom.model.endpoint import ContactStatus, EndpointId, EndpointState
from switchroom.model.events import ContactStatusChange, EndpointStateChange, Event, TextMessageStatusChange
from switchroom.model.record import MessageState


class History:
    """The events of one life of a server, folded."""

    def __init__(self) -> None:
        self._states: dict[EndpointId, EndpointState] = {}
        self._contacts: dict[tuple[EndpointId, str], ContactStatus] = {}
        self._messages: dict[str, MessageState] = {}

    def hear(self, event: Event) -> None:
        if isinstance(event, EndpointStateChange):
            self._states[event.endpoint.id] = event.endpoint.state
        elif isinstance(event, ContactStatusChange):
            key = (event.endpoint.id, event.uri)
            if event.contact_status is ContactStatus.REMOVED:
                self._contacts.pop(key, None)
            else:
                self._contacts[key] = event.contact_status
        elif isinstance(event, TextMessageStatusChange):
            self._messages[event.message.id] = event.message.state

    def faults(self, registry: Registry, messages: Messages) -> list[str]:
        """Where what was told is not what is so."""
        found = []
        contacts = set(self._contacts)
        for endpoint in registry.endpoints():
            told = self._states.get(endpoint.id)
            if told is not endpoint.state:
                found.append(f"{endpoint.id} is {endpoint.state}, and was said to be {told}")
            for contact in registry.contacts_of(*endpoint.id) or ():
                key = (endpoint.id, contact.uri)
                contacts.discard(key)
                if self._contacts.get(key) is not contact.status:
                    found.append(f"{contact.uri} is {contact.status}, and was said to be {self._contacts.get(key)}")
        found += [f"{uri} of {endpoint} was never said to be gone" for endpoint, uri in contacts]
        for message_id, told_state in self._messages.items():
            record = messages._dispatch.get(message_id)
            if record is not None and record.state is not told_state:
                found.append(f"{message_id} is {record.state}, and was said to be {told_state}")
            if record is None and not told_state.final and told_state is not MessageState.QUEUED:
                found.append(f"{message_id} is on its way no more, and was said to be {told_state}")
        return found
