"""The referral service: asks an endpoint to contact another, and follows what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from switchroom.core.messages import Technologies, new_id
from switchroom.core.ports import Clock, Technology
from switchroom.model.endpoint import EndpointId
from switchroom.model.message import Referral, ReferralReport

log = structlog.get_logger(__name__)


class Referrals:
    """Takes referrals in and hands them to their technology."""

    def __init__(self, technologies: Technologies, clock: Clock, make_id: Callable[[], str] = new_id) -> None:
        self._technologies = technologies
        self._clock = clock
        self._make_id = make_id

    def refer(
        self,
        to: str,
        sender: str,
        refer_to: str,
        headers: Mapping[str, str],
        *,
        to_self: bool = False,
        display_name: str | None = None,
    ) -> Referral:
        """Refers ``to`` (``pjsip:carol``) to ``refer_to`` (an endpoint or a URI, charter ruling 6).

        Raises:
            InvalidParameter: a value can not be used as asked.
            EndpointNotFound: unknown technology or endpoint, or no contact.
        """
        technology, destination = self._technologies.split(to)
        return self._start(
            technology,
            Referral(
                id=self._make_id(),
                technology=technology.name,
                destination=destination,
                sender=sender,
                refer_to=refer_to,
                to_self=to_self,
                display_name=display_name,
                headers=headers,
                created=self._clock.wall(),
            ),
        )

    def refer_endpoint(
        self,
        endpoint: EndpointId,
        sender: str,
        refer_to: str,
        headers: Mapping[str, str],
        *,
        to_self: bool = False,
        display_name: str | None = None,
    ) -> Referral:
        """As ``refer``, to an endpoint by its name, whatever characters the name has."""
        technology = self._technologies.find(endpoint.technology)
        return self._start(
            technology,
            Referral(
                id=self._make_id(),
                technology=technology.name,
                destination=endpoint.resource,
                by_name=True,
                sender=sender,
                refer_to=refer_to,
                to_self=to_self,
                display_name=display_name,
                headers=headers,
                created=self._clock.wall(),
            ),
        )

    def _start(self, technology: Technology, referral: Referral) -> Referral:
        technology.refer(referral)
        return referral

    def report(self, report: ReferralReport) -> None:
        """Progress of a referral; called by technologies."""
        log.info(
            "referral",
            referral=report.referral.id,
            state=report.state.value,
            status=report.status_code,
            reason=report.reason,
        )
