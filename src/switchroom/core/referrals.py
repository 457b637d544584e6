"""The referral service: asks an endpoint to contact another, and follows what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from switchroom.core.bus import Bus
from switchroom.core.limits import MAX_REFERRALS
from switchroom.core.ports import Clock, Technology
from switchroom.core.technologies import Technologies, new_id
from switchroom.model.endpoint import EndpointId
from switchroom.model.errors import ReferralNotFound
from switchroom.model.events import ReferStatusChange
from switchroom.model.message import Fallback, Referral, ReferralReport
from switchroom.model.record import ReferralRecord

log = structlog.get_logger(__name__)


class Referrals:
    """Takes referrals in, hands them to their technology, and knows how far the latest of them got."""

    def __init__(self, technologies: Technologies, clock: Clock, bus: Bus, make_id: Callable[[], str] = new_id) -> None:
        self._technologies = technologies
        self._clock = clock
        self._bus = bus
        self._make_id = make_id
        #: In the order they were made.
        self._records: dict[str, ReferralRecord] = {}

    def refer(
        self,
        to: str,
        sender: str,
        refer_to: str,
        headers: Mapping[str, str],
        *,
        to_self: bool = False,
        display_name: str | None = None,
        fallback: Fallback = Fallback.NONE,
    ) -> Referral:
        """Refers ``to`` (``pjsip:carol``) to ``refer_to`` (an endpoint or a URI, docs/rulings.md 6).

        ``to_self`` has it contact an endpoint through this server; ``fallback`` says what to do if it does not take it.

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
                fallback=fallback,
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
        fallback: Fallback = Fallback.NONE,
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
                fallback=fallback,
                headers=headers,
                created=self._clock.wall(),
            ),
        )

    def _start(self, technology: Technology, referral: Referral) -> Referral:
        technology.refer(referral)
        return referral

    def find(self, referral_id: str) -> ReferralRecord:
        """A referral as it is now; ReferralNotFound when it is not known, or not any more."""
        record = self._records.get(referral_id)
        if record is None:
            raise ReferralNotFound
        return record

    def referral(self, report: ReferralReport) -> None:
        """Progress of a referral; called by technologies, first of all when it is sent."""
        referral = report.referral
        at = self._clock.wall()
        record = self._records.get(referral.id)
        if record is None:
            record = self._remember(referral)
        record.state = report.state
        record.status_code, record.reason = report.status_code, report.reason
        record.updated = at
        self._bus.publish((ReferStatusChange(referral=record, at=at),))
        log.info(
            "referral", referral=referral.id, state=report.state.value, status=report.status_code, reason=report.reason
        )

    def _remember(self, referral: Referral) -> ReferralRecord:
        if len(self._records) >= MAX_REFERRALS:
            del self._records[next(iter(self._records))]
        record = self._records[referral.id] = ReferralRecord(
            id=referral.id,
            technology=referral.technology,
            destination=referral.destination,
            sender=referral.sender,
            refer_to=referral.refer_to,
            created=referral.created,
            updated=referral.created,
        )
        return record
