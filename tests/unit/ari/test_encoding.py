"""Content codings: who takes gzip, and what of ARI is sent so."""

from __future__ import annotations

import gzip as python_gzip

import msgspec
import pytest

from switchroom.ari.encoding import gzip, takes_gzip
from unit.ari.edge import Edge


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("br, deflate , gzip ;q=0.3", True),
        ("gzip;q=1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("", False),
        ("identity", False),
        ("x-gzip", False),
        ("*", False),
    ],
)
def test_who_takes_gzip(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


def test_the_same_content_is_the_same_bytes() -> None:
    content = b"switchroom " * 1_000
    assert python_gzip.decompress(gzip([content])) == content
    assert python_gzip.decompress(gzip([])) == b""
    assert gzip([content]) == gzip([content])
    assert python_gzip.decompress(gzip(iter([content[:100], content[100:]]))) == content
    assert len(gzip([content], 9)) <= len(gzip([content])) < len(content) / 10


async def test_a_page_is_compressed_for_who_takes_it(edge: Edge) -> None:
    plain = await edge.ask("GET", "/ari/endpoints?limit=1")
    packed = await edge.ask("GET", "/ari/endpoints?limit=1", headers={"Accept-Encoding": "gzip"})
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert msgspec.json.decode(python_gzip.decompress(packed.body)) == plain.json
    assert packed.headers["link"] == plain.headers["link"]
    assert packed.headers["etag"] == f"W/{plain.headers['etag']}"
    for tag in (plain.headers["etag"], packed.headers["etag"]):
        known = await edge.ask("GET", "/ari/endpoints?limit=1", headers={"If-None-Match": tag})
        assert known.status == 304


@pytest.mark.parametrize("path", ["/ari/endpoints", "/ari/endpoints?state=online", "/ari/endpoints/PJSIP"])
async def test_the_whole_list_is_sent_as_it_is_kept(edge: Edge, path: str) -> None:
    answer = await edge.ask("GET", path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert isinstance(answer.json, list)
