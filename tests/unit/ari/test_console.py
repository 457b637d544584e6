"""The console's files: what is served, how, and that they can work."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import switchroom
from support.programs import need_program
from switchroom.ari.console import Console
from unit.ari.edge import Edge, running

ROOT = Path(switchroom.__file__).parent / "console"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())
OURS = [name for name in FILES if name.endswith(".js") and not name.startswith("vendor/")]
VENDOR = Path(__file__).parents[3] / ".ci/vendor"
TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Edge]:
    async with running(before=lambda edge: edge.service.mount("/", Console().serve)) as edge:
        yield edge


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".txt")])
async def test_each_file_is_served_as_it_is(site: Edge, name: str) -> None:
    path = "/" if name == "index.html" else f"/{name}"
    plain = await site.ask("GET", path, auth=None)
    assert (plain.status, plain.headers["content-type"]) == (200, TYPES[name.rpartition(".")[2]])
    assert plain.body == (ROOT / name).read_bytes()
    packed = await site.ask("GET", path, auth=None, headers={"Accept-Encoding": "br;q=1, gzip;q=0.5"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    for answer in (plain, packed):
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Accept-Encoding", "no-cache")
    known = await site.ask("GET", path, auth=None, headers={"If-None-Match": f'"other", {plain.headers["etag"]}'})
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", packed.headers["etag"])
    head = await site.ask("HEAD", path, auth=None)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", plain.headers["content-length"])


async def test_a_browser_is_told_to_load_and_ask_nothing_else(site: Edge) -> None:
    headers = (await site.ask("GET", "/", auth=None)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors", "trusted-types")} == {"'none'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/index.html",
            "/index",
            "/main.js/",
            "//main.js",
            "/./main.js",
            "/MAIN.JS",
            "/main%2Ejs",
            "/vendor",
            "/vendor/",
        ),
        *(
            "/../settings.py",
            "/%2e%2e/__init__.py",
            "/views/../main.js",
            "/..%2f..%2fserver.py",
            "/vendor/LICENSES.txt",
        ),
        *("/console/main.js", "/main.js%00", "/main.js;x"),
    ],
)
async def test_nothing_else_is_served(site: Edge, path: str) -> None:
    assert (await site.ask("GET", path, auth=None)).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_files_are_only_read(site: Edge, method: str) -> None:
    answer = await site.ask(method, "/", auth=None)
    assert (answer.status, answer.headers["allow"]) == (405, "GET,HEAD")


async def test_the_prefix_of_http_conf_is_before_all(site: Edge) -> None:
    def mount(edge: Edge) -> None:
        edge.service.mount("/", Console("/pbx").serve)

    async with running(http={"prefix": "/pbx"}, before=mount) as edge:
        assert (await edge.ask("GET", "/pbx/", auth=None)).status == 200
        answer = await edge.ask("GET", "/pbx?a=b", auth=None)
        assert (answer.status, answer.headers["location"]) == (308, "/pbx/")
        for path in ("/", "/main.js", "/pbxmain.js"):
            assert (await edge.ask("GET", path, auth=None)).status == 404


# ---- the files themselves


@pytest.mark.parametrize("name", OURS)
def test_each_import_leads_to_a_file(name: str) -> None:
    source = text(name)
    for target in re.findall(r'from "([^"]+)";$', source, flags=re.MULTILINE) + re.findall(r'import\("([^"]+)', source):
        assert target.startswith("."), f"{target} is not a file of the console"
        assert (ROOT / name).parent.joinpath(target).resolve().is_file(), target


def test_the_page_names_files_that_are_there() -> None:
    page = text("index.html")
    for target in re.findall(r'(?:href|src)="([^"]+)"', page):
        assert (ROOT / target).is_file(), target
    assert "<style" not in page
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []


@pytest.mark.parametrize("name", OURS)
def test_no_text_is_made_html(name: str) -> None:
    """What the security policy would refuse is not even tried (SECURITY.md S34)."""
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc", text(name))
        == []
    )


@pytest.mark.parametrize("name", [name for name in OURS if name.startswith(("views/", "parts/"))])
def test_each_word_a_person_reads_is_in_one_place(name: str) -> None:
    """Between the tags of a template stand values only."""
    for template in re.findall(r"html`(.*?)`", text(name), flags=re.DOTALL):
        without = re.sub(r"\$\{[^{}]*\}", "", template)
        for words in re.findall(r">([^<>{}$`=()]+)<", without):
            assert not re.search(r"[A-Za-z]{2}", words), words


def test_each_string_that_is_used_is_there(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    used = sorted({ref for name in OURS for ref in re.findall(r"\bS((?:\.[a-zA-Z]+)+)", text(name))})
    # By its name older Nodes, as Debian's 18, know a module.
    strings = shutil.copy(ROOT / "strings.js", tmp_path / "strings.mjs")
    script = (
        f"import {{ S }} from {json.dumps(Path(strings).as_uri())};"
        f"const used = {json.dumps(used)};"
        "const look = (ref) => ref.slice(1).split('.').reduce((found, name) => found?.[name], S);"
        "console.log(JSON.stringify(used.filter((ref) => look(ref) === undefined)))"
    )
    node = need_program("node", request)
    done = subprocess.run(
        [node, "--input-type=module", "-e", script], capture_output=True, text=True, check=True, timeout=30
    )
    missing = [ref for ref in json.loads(done.stdout) if not ref.endswith((".length", ".map"))]
    assert missing == []
    assert len(used) > 100


def test_what_others_made_comes_with_its_licence() -> None:
    pinned = json.loads((VENDOR / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    licences = text("vendor/LICENSES.txt")
    inside = [name for name in pinned if name and "esbuild" not in name]
    assert len(inside) == 8
    for name in inside:
        heading = f"\n{name.removeprefix('node_modules/')} {pinned[name]['version']} (in "
        assert heading in licences, heading
    named = set(re.findall(r"\(in ([^)]+)\)", licences))
    assert {part for files in named for part in files.split(", ")} == {
        name.removeprefix("vendor/") for name in FILES if name.startswith("vendor/") and not name.endswith(".txt")
    }
