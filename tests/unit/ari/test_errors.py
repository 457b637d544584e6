"""Errors of the domain as answers."""

from __future__ import annotations

import re

import pytest

from switchroom.ari.errors import refusal_of
from switchroom.model import errors
from switchroom.model.endpoint import EndpointId

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DomainError)]


def make(kind: type[errors.DomainError]) -> errors.DomainError:
    if kind is errors.NoContact:
        return errors.NoContact(EndpointId("PJSIP", "bob"))
    try:
        return kind()
    except TypeError:
        return kind("why")


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_has_the_status_its_description_says(kind: type[errors.DomainError]) -> None:
    said = re.search(r"shown as (\d{3}|EndpointNotFound)", kind.__doc__ or "")
    if said is None:
        assert kind is errors.DomainError
        status = 400
    else:
        status = 404 if said[1] == "EndpointNotFound" else int(said[1])
    assert refusal_of(make(kind)).status == status


def test_an_unreachable_endpoint_is_told_as_an_unknown_one() -> None:
    assert refusal_of(make(errors.NoContact)).message == "Endpoint not found"
