"""``/metrics``: what the server counts anyway, in Prometheus' words when somebody asks (docs/observation.md).

Part of the composition root, as it reads from every ring. Imported at the first scrape: until then nothing of the
client library is in memory. Every label has few values: what a peer wrote never becomes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from switchroom import __version__
from switchroom.ari.service import AriService
from switchroom.core.channels import Channels
from switchroom.core.messages import Messages
from switchroom.core.registry import Registry
from switchroom.core.security import SecurityLog
from switchroom.core.tally import Histogram, LoopLag, Tally
from switchroom.listeners import Listeners
from switchroom.model.record import MessageState
from switchroom.net.admission import Admission
from switchroom.store.database import Database
from switchroom.tech.sip.service import SipTechnology
from switchroom.wire.sip.outbox import COUNTERS
from switchroom.wire.sip.write import REASONS

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_Census = Mapping[tuple[str, str], int]
Samples = Iterable[tuple[Sequence[str], float]]

_FINAL = tuple(state.value for state in MessageState if state.final)


class Sources(NamedTuple):
    """Where the numbers are. What a configuration does without is None or empty."""

    registry: Registry
    tally: Tally
    lag: LoopLag
    security: SecurityLog
    admission: Admission
    channels: Channels
    messages: Messages
    sip: Sequence[SipTechnology]
    listeners: Sequence[Listeners]
    service: AriService
    database: Database | None


class Metrics(Collector):
    """Turns the numbers into families of metrics; ``text`` is what a scrape gets."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Family]:
        """Nothing is said before a scrape."""
        return ()

    def collect(self) -> Iterator[Family]:
        yield _gauge("switchroom_info", "The version that runs; always 1.", [((__version__,), 1)], ["version"])
        endpoints, contacts = self._sources.registry.census()
        yield from self._endpoints(endpoints, contacts)
        yield from self._calls()
        yield from self._messages({technology for technology, _ in endpoints})
        yield from self._events()
        yield from self._sip()
        yield from self._network()
        yield from self._http()
        yield from self._store()
        yield from self._process()

    def _endpoints(self, endpoints: _Census, contacts: _Census) -> Iterator[Family]:
        labels = ["technology", "state"]
        yield _gauge("switchroom_endpoints", "Endpoints, by technology and state.", endpoints.items(), labels)
        labels = ["technology", "status"]
        yield _gauge("switchroom_contacts", "Contacts: what registered, and static ones.", contacts.items(), labels)

    def _calls(self) -> Iterator[Family]:
        yield _gauge("switchroom_channels", "Legs of calls that are open.", len(self._sources.channels))

    def _messages(self, technologies: set[str]) -> Iterator[Family]:
        """``technologies`` have a number even before the first text."""
        tally = self._sources.tally
        waiting, sending = self._sources.messages.unfinished()
        ended = dict.fromkeys(((technology, state) for technology in technologies for state in _FINAL), 0)
        yield _counter(
            "switchroom_messages_accepted",
            "Texts that were taken on, by the technology they go to.",
            _single(dict.fromkeys(technologies, 0) | tally.accepted),
            ["technology"],
        )
        yield _counter(
            "switchroom_messages_ended",
            "Texts by the final state they reached first.",
            (ended | tally.ended).items(),
            ["technology", "state"],
        )
        yield _gauge(
            "switchroom_messages_open",
            "Texts that wait for their turn or their endpoint, and texts on their way.",
            [(("waiting",), waiting), (("sending",), sending)],
            ["state"],
        )
        yield _histogram(
            "switchroom_message_delivery_seconds",
            "From the acceptance of a text to its first delivery.",
            tally.delivery,
        )
        yield _counter(
            "switchroom_referrals",
            "Referrals by state; each is counted in every state it gets to.",
            _single(tally.referrals),
            ["state"],
        )

    def _events(self) -> Iterator[Family]:
        sockets = self._sources.service.sockets
        published = _single({kind.__name__: count for kind, count in self._sources.tally.published.items()})
        yield _counter("switchroom_events_published", "Events of the core, by name.", published, ["event"])
        yield _counter(
            "switchroom_events_sent", "Events handed to WebSockets, one for each that gets it.", sockets.sent
        )
        yield _counter("switchroom_events_lost", "Events that went with a WebSocket that did not read.", sockets.lost)
        yield _gauge("switchroom_websockets", "WebSockets of applications that are open.", len(sockets.open))
        yield _counter("switchroom_websockets_dropped", "WebSockets closed as they did not read.", sockets.dropped)

    def _sip(self) -> Iterator[Family]:
        labels = ["technology", "method", "status"]
        technologies = self._sources.sip
        yield _counter(
            "switchroom_sip_requests",
            "SIP requests by method and answer; neither retransmissions nor malformed ones.",
            (((sip.name, method, str(status)), count) for sip in technologies for method, status, count in sip.answers),
            labels,
        )
        outcomes: dict[tuple[str, str, str], int] = {}
        for sip in technologies:
            for method, status, count in sip.outcomes:
                key = sip.name, method, _status(status)
                outcomes[key] = outcomes.get(key, 0) + count
        yield _counter(
            "switchroom_sip_outcomes",
            "SIP requests of ours by their final answer; none: nobody answered, or it could not be sent.",
            outcomes.items(),
            labels,
        )
        for name, meaning in COUNTERS.items():
            samples = [((sip.name,), sip.counters[name]) for sip in technologies]
            yield _counter(f"switchroom_sip_{name}", f"SIP: {meaning}.", samples, ["technology"])

    def _network(self) -> Iterator[Family]:
        sources = self._sources
        sockets = [udp for listeners in sources.listeners for udp in listeners.datagrams]
        yield _counter("switchroom_udp_received", "SIP datagrams read.", sum(udp.received for udp in sockets))
        shed = [((sip.name,), sip.overload.shed) for sip in sources.sip]
        yield _counter(
            "switchroom_udp_shed", "SIP datagrams of strangers left alone under overload.", shed, ["technology"]
        )
        yield _counter("switchroom_udp_sent", "SIP datagrams sent.", sum(udp.sent for udp in sockets))
        yield _counter(
            "switchroom_udp_send_errors", "SIP datagrams that did not leave.", sum(udp.send_errors for udp in sockets)
        )
        admission = sources.admission
        yield _gauge("switchroom_connections", "Connections of phones: TCP, TLS, WebSocket.", admission.count)
        yield _counter("switchroom_connections_refused", "Connections of phones not let in.", admission.refused)
        yield _counter(
            "switchroom_security_events",
            "Security events, those that were not logged too.",
            _single(sources.security.counts),
            ["offence"],
        )
        yield _counter(
            "switchroom_security_events_left_out",
            "Security events without a line in the log, as there were many.",
            sources.security.left_out,
        )

    def _http(self) -> Iterator[Family]:
        service = self._sources.service
        yield _counter(
            "switchroom_http_requests",
            "HTTP requests by method and answer.",
            (((method, str(status)), count) for method, status, count in service.answers),
            ["method", "status"],
        )
        yield _gauge("switchroom_http_connections", "HTTP connections, WebSockets among them.", service.connections)

    def _store(self) -> Iterator[Family]:
        database = self._sources.database
        if database is None:
            return
        yield _counter("switchroom_store_commits", "Transactions that changed the store.", database.commits)
        yield _counter(
            "switchroom_store_commit_seconds", "What they took, from begin to commit.", database.commit_seconds
        )
        yield _gauge("switchroom_store_queue", "Operations that are not committed yet.", database.queued)
        yield _counter("switchroom_store_failures", "Transactions that failed.", database.failures)
        yield _counter("switchroom_store_dropped", "Changes that will never be written.", database.dropped)
        yield _gauge("switchroom_store_usable", "Whether the store can be written: 1 or 0.", not database.trouble)

    def _process(self) -> Iterator[Family]:
        yield _histogram(
            "switchroom_loop_lag_seconds",
            "How late the event loop was, looked at once a second.",
            self._sources.lag.seconds,
        )


def _single(counts: Mapping[Any, int]) -> Iterator[tuple[Sequence[str], float]]:
    for label, count in counts.items():
        yield (label,), count


def _status(status: int) -> str:
    """A phone's answer as a label: those of the RFCs by their number, others by their class."""
    if not status:
        return "none"
    return str(status) if status in REASONS else f"{status // 100}xx"


def _counter(name: str, meaning: str, samples: Samples | float, labels: Sequence[str] = ()) -> CounterMetricFamily:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for values, count in _samples(samples):
        family.add_metric(values, count)
    return family


def _gauge(name: str, meaning: str, samples: Samples | float, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, count in _samples(samples):
        family.add_metric(values, count)
    return family


def _samples(samples: Samples | float) -> Samples:
    return [((), samples)] if isinstance(samples, int | float) else samples


def _histogram(name: str, meaning: str, histogram: Histogram) -> HistogramMetricFamily:
    """Buckets of Prometheus count all values up to their bound."""
    buckets: list[tuple[str, float]] = []
    sofar = 0
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        sofar += count
        buckets.append((repr(bound) if bound < float("inf") else "+Inf", sofar))
    family = HistogramMetricFamily(name, meaning)
    family.add_metric((), buckets, histogram.total)
    return family
