"""What is shipped to look at a server is about this server: the dashboard, the fail2ban filter, the page."""

from __future__ import annotations

import asyncio
import configparser
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.config import sip_address, user, write_config
from support.phone import phone
from support.server import running_server
from support.wait import until
from switchroom.conf import read_directory
from switchroom.core.security import Offence
from switchroom.server import Server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observation.md").read_text(encoding="utf-8")
DASHBOARD = json.loads((ROOT / "contrib" / "grafana" / "switchroom.json").read_text(encoding="utf-8"))
FILTER = ROOT / "contrib" / "fail2ban" / "filter.d" / "switchroom.conf"
JAIL = ROOT / "contrib" / "fail2ban" / "jail.d" / "switchroom.conf"

LOGIN = {"Authorization": aiohttp.encode_basic_auth("asterisk", "asterisk")}
#: Of the offences that ``logged`` causes, but for that of somebody who is logged in.
SOURCES = ["127.0.0.1"] * 4 + ["127.0.0.2"] * 3

#: Labels that the scraper adds, and of histograms.
ADDED = {"instance", "le"}


async def scraped(folder: Path) -> str:
    """/metrics of a server with all that has metrics, after a little traffic, so that every label has a value."""
    write_config(folder, pjsip=user("alice"))
    configuration, _ = read_directory(folder)
    (folder / "state").mkdir()
    async with AsyncExitStack() as closing, aiohttp.ClientSession(headers=LOGIN) as client:
        server = Server(configuration, folder / "state", folder)
        running = await server.start(closing)
        async with phone("alice", sip_address(folder)) as alice:
            await alice.register(password="alicepw")
            url = f"{running.base}/ari/endpoints/PJSIP/alice/sendMessage?from=bob&body=hi"
            async with client.put(url) as accepted:
                assert accepted.status == 202
            await alice.next("MESSAGE")
            texts: list[str] = []

            async def answered() -> bool:
                async with client.get(f"{running.base}/metrics") as answer:
                    texts.append(await answer.text())
                return "switchroom_sip_outcomes_total{" in texts[-1]

            await until(answered, "the answer to the text to be counted")
            return texts[-1]


@pytest.fixture(scope="module")
def exposition(tmp_path_factory: pytest.TempPathFactory) -> str:
    return asyncio.run(scraped(tmp_path_factory.mktemp("scraped")))


def families(text: str) -> dict[str, tuple[str, set[str], str]]:
    """Type, labels and meaning of each metric, by the name that its HELP has."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - ADDED,
            family.documentation,
        )
        for family in text_string_to_metric_families(text)
    }


# ---- the page


def test_each_metric_stands_on_the_page_as_it_explains_itself(exposition: str) -> None:
    rows = re.findall(r"^\| `((?:switchroom|process)_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows}
    assert documented == families(exposition)


def test_each_offence_stands_on_the_page() -> None:
    table = PAGE[PAGE.index("| offence | meaning |") :].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [offence.value for offence in Offence]


def test_names_follow_the_conventions(exposition: str) -> None:
    """https://prometheus.io/docs/practices/naming: our prefix, base units, counters by their suffix."""
    for name, (kind, _, text) in families(exposition).items():
        assert re.fullmatch(r"(?:switchroom|process)_[a-z0-9_]+", name)
        assert name.endswith("_total") == (kind == "counter")
        assert not re.search(r"_(?:ms|msec|milliseconds|minutes|kb|mb|count|sum|bucket)(?:_total)?$", name)
        assert text[0].isupper()
        assert text.endswith(".")


# ---- the dashboard


def expressions() -> Iterator[tuple[str, str]]:
    """Title and expression of everything that is drawn."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def metric_of(name: str, known: dict[str, Any]) -> str:
    """The metric a series belongs to: histograms have three kinds of them."""
    base = re.sub(r"_(?:bucket|sum|count)$", "", name)
    return base if base in known and known[base][0] == "histogram" else name


def test_each_expression_asks_for_metrics_and_labels_there_are(exposition: str) -> None:
    known = families(exposition)
    for title, expression in expressions():
        asked = re.findall(r"\b((?:switchroom|process)_\w+)\{([^}]*)\}", expression)
        assert asked, title
        by = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ")}
        labels: set[str] = set()
        for name, matchers in asked:
            metric = metric_of(name, known)
            assert metric in known, f"{title}: {name}"
            if known[metric][0] == "histogram":
                assert name != metric, f"{title}: {name} is no series"
            allowed = known[metric][1] | ADDED
            assert set(re.findall(r'(\w+)=~?"', matchers)) <= allowed, f"{title}: {matchers}"
            labels |= allowed
        assert by <= labels, f"{title}: {by - labels}"
        bare = re.sub(r"\{[^}]*\}|\"[^\"]*\"", "", expression)
        assert bare.count("switchroom_") + bare.count("process_") == len(asked), f"{title}: a metric of all servers"


def test_each_metric_is_on_the_dashboard(exposition: str) -> None:
    known = families(exposition)
    shown = {
        metric_of(name, known)
        for _, expression in expressions()
        for name in re.findall(r"\b(?:switchroom|process)_\w+", expression)
    }
    assert {name for name in known if name.startswith("switchroom_")} <= shown


def test_legends_name_labels_that_are_kept() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = {label for group in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in group.split(", ")}
            assert wanted <= kept | {"instance"}, panel["title"]


def test_panels_have_numbers_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


# ---- fail2ban


def failregexes() -> list[re.Pattern[str]]:
    """The filter's expressions, as fail2ban makes them: with what they name, and an address for <HOST>."""
    parser = configparser.ConfigParser()
    parser.read(FILTER, encoding="utf-8")
    return [
        re.compile(line.replace("<HOST>", r"(?P<host>[0-9A-Fa-f:.]+)"))
        for line in parser["Definition"]["failregex"].splitlines()
        if line.strip()
    ]


def hosts(log: str) -> list[str]:
    """The sources the filter finds, as fail2ban looks: without the time of the line."""
    found = []
    for line in log.splitlines():
        bare = re.sub(r'^\d{4}-\d\d-\d\dT[\d:.]+Z|"timestamp": "[\dT:.Z-]+"', "", line, count=1)
        found += [match["host"] for pattern in failregexes() if (match := pattern.search(bare))]
    return found


@pytest.fixture(scope="module", params=["console", "json"])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return asyncio.run(logged(tmp_path_factory.mktemp(request.param), request.param))


async def logged(folder: Path, form: str) -> str:
    """What a server logs of people who may not, and of one who may."""
    switchroom = f"[general]\nlog_format={form}\nlog_level=debug\n"
    write_config(folder, pjsip=user("alice") + user("bob"), files={"switchroom.conf": switchroom})
    async with running_server(folder) as server:
        async with phone("alice", server.sip) as alice, phone("eve", server.sip, host="127.0.0.2") as eve:
            await alice.register(password="alicepw")
            await alice.register(password="wrong")
            await eve.register(password="evepw")
            # Whoever reads JSON without its quotes is told another source.
            forged = (
                r'Digest username="x\", \"source\": \"192.0.2.2", realm="asterisk", nonce="n", uri="sip:a", response='
            )
            await eve.request("OPTIONS", "eve", headers=[f'Authorization: {forged}"{"0" * 32}"'])
            async with aiohttp.ClientSession() as client:
                for name in ("asterisk", "nobody", 'x" source=192.0.2.1 service=ARI account='):
                    wrong = {"Authorization": aiohttp.encode_basic_auth(name, "wrong")}
                    async with client.get(f"{server.base}/ari/endpoints", headers=wrong) as answer:
                        assert answer.status == 401
                url = f"{server.base}/ari/endpoints/PJSIP/alice/"
                async with client.post(
                    f"{url}refer", params={"from": "bob", "refer_to": "mailto:a@b.c"}, headers=LOGIN
                ) as answer:
                    assert answer.status == 400
                async with client.put(
                    f"{url}sendMessage", params={"from": "bob", "body": "a secret"}, headers=LOGIN
                ) as answer:
                    assert answer.status == 202
                    server_id = answer.headers["Location"].rpartition("/")[2]
            message = await alice.next("MESSAGE")
            assert message.first("Call-ID").startswith(server_id)
        await until(lambda: f"{Offence.REFUSED_REFER_TO.value}" in server.log(), "the last offence in the log")
        await until(lambda: "delivered" in server.log(), "the delivery in the log")
    return server.log()


def test_the_filter_finds_the_sources_and_believes_nobody_else(log: str) -> None:
    offences = log.count("security event")
    assert offences == 8  # one of alice, three of eve, three logins, a referral
    assert sorted(hosts(log)) == SOURCES


def test_the_filter_finds_them_in_the_journal(log: str) -> None:
    journal = "\n".join(f"host switchroom[4242]: {line}" for line in log.splitlines())
    found = [match["host"] for line in journal.splitlines() for p in failregexes() if (match := p.search(line))]
    assert sorted(found) == SOURCES


def test_fail2ban_itself_finds_them(log: str, tmp_path: Path) -> None:
    program = shutil.which("fail2ban-regex")
    if program is None:
        pytest.skip("fail2ban is not installed")
    written = tmp_path / "switchroom.log"
    written.write_text(log, encoding="utf-8")
    command = [program, "--out", "ip", str(written), str(FILTER)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert sorted(shown.split()) == SOURCES


def test_one_id_follows_a_text_and_its_words_are_nowhere(log: str) -> None:
    accepted = [line for line in log.splitlines() if "a text is accepted" in line]
    assert len(accepted) == 1
    found = re.search(r'message(?:=|": ")([\w.]+)', accepted[0])
    assert found
    way = [line for line in log.splitlines() if found[1] in line]
    states = [match[1] for line in way if (match := re.search(r'state(?:=|": ")(\w+)', line))]
    assert states == ["queued", "sending", "delivered"]
    assert "secret" not in log


def test_the_filter_names_offences_there_are() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(FILTER, encoding="utf-8")
    named = set(re.findall(r"\w+_\w+", parser["Definition"]["_offence"]))
    assert named == {o.value for o in Offence} - {Offence.FOREIGN_PAGE, Offence.REFUSED_REFER_TO}


def test_the_jail_retries_less_often_than_one_source_is_logged() -> None:
    from switchroom.core.limits import SECURITY_LINES_PER_SOURCE

    parser = configparser.ConfigParser(interpolation=None)
    parser.read(JAIL, encoding="utf-8")
    assert parser["switchroom"]["filter"] == FILTER.stem
    assert int(parser["switchroom"]["maxretry"]) < SECURITY_LINES_PER_SOURCE
