"""What machines ask that look after servers: ``/healthz``, ``/readyz`` and ``/metrics``, at the root of the HTTP port.

The first two need no credentials, so they say nothing that is anybody's secret: the reasons of ``/readyz`` are a few
fixed sentences, the details stand in the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from switchroom.ari.errors import Refusal
from switchroom.ari.limits import OPEN_METRICS_SECONDS
from switchroom.ari.reply import Reply, encode
from switchroom.core.ports import Clock

#: Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats).
TEXT_FORMAT = b"text/plain; version=0.0.4; charset=utf-8"


class Health:
    """The handlers of the three paths."""

    def __init__(
        self,
        unready: Callable[[], list[str]],
        metrics: Callable[[], bytes],
        login: Callable[[web.BaseRequest], Awaitable[object]] | None,
        clock: Clock,
    ) -> None:
        """``unready`` gives the reasons why nothing should be sent here now, ``metrics`` the text of all metrics;
        ``login`` refuses who may not read them, None lets everybody.
        """
        self._unready = unready
        self._metrics = metrics
        self._login = login
        self._clock = clock
        #: What everybody may read, and until when it is the same.
        self._kept = b""
        self._kept_until = 0.0

    async def healthz(self, request: web.BaseRequest) -> Reply:
        """The process lives and its loop answers; to be restarted when it does not."""
        _check_method(request)
        return Reply(200, encode({"status": "ok"}))

    async def readyz(self, request: web.BaseRequest) -> Reply:
        """Whether requests may be sent here: 503, with the reasons, while something is missing."""
        _check_method(request)
        reasons = self._unready()
        if reasons:
            return Reply(503, encode({"status": "unready", "reasons": reasons}))
        return Reply(200, encode({"status": "ready"}))

    async def metrics(self, request: web.BaseRequest) -> Reply:
        """All metrics."""
        _check_method(request)
        if self._login is not None:
            await self._login(request)
            return Reply(200, self._metrics(), content_type=TEXT_FORMAT)
        now = self._clock.monotonic()
        if now >= self._kept_until:
            self._kept, self._kept_until = self._metrics(), now + OPEN_METRICS_SECONDS
        return Reply(200, self._kept, content_type=TEXT_FORMAT)


def _check_method(request: web.BaseRequest) -> None:
    if request.method not in ("GET", "HEAD"):
        raise Refusal(405, "Unsupported method", b"Allow: GET, HEAD\r\n")
