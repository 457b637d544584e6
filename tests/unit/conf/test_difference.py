"""What a second reading brings: no more than what is different."""

from __future__ import annotations

from switchroom.conf.difference import peer_difference, restarts, same, sip_difference, slices
from switchroom.model.change import KINDS, SipChange
from switchroom.model.settings import Configuration, SipSettings
from unit.conf.conftest import ARI, HTTP, Read

BASE = """\
[t]
type=transport
bind=127.0.0.1:5060
[a]
type=endpoint
auth=a
aors=a
[a]
type=auth
username=a
password=x
[a]
type=aor
max_contacts=1
[b]
type=endpoint
aors=b
[d.example]
type=domain_alias
domain=e.example
[i]
type=identify
endpoint=a
match=10.0.0.1
"""


def sip(read: Read, text: str, **files: str) -> SipSettings:
    settings = read(pjsip=text, **files)[0].sip
    assert settings is not None
    return settings


def names(change: SipChange) -> dict[str, list[str]]:
    return {kind: list(getattr(change, kind)) for kind in KINDS if getattr(change, kind)}


def test_where_something_is_written_does_not_count(read: Read) -> None:
    assert sip_difference(sip(read, BASE), sip(read, "; a line\n\n" + BASE)) == SipChange()


def test_one_line_is_one_change(read: Read) -> None:
    change = sip_difference(sip(read, BASE), sip(read, "\n" + BASE.replace("max_contacts=1", "max_contacts=2")))
    assert names(change) == {"aors": ["a"]}
    assert change.aors["a"] is not None
    assert change.aors["a"].max_contacts == 2


def test_what_came_and_what_went(read: Read) -> None:
    new = BASE.replace("[b]", "[c]").replace("[d.example]", "[f.example]").replace("[i]", "[j]")
    change = sip_difference(sip(read, BASE), sip(read, new))
    assert change.endpoints.keys() == {"b", "c"}
    assert change.endpoints["b"] is None
    assert change.endpoints["c"] is not None
    assert change.domain_aliases == {"d.example": None, "f.example": "e.example"}
    assert change.identifies["i"] is None
    assert change.general is None


def test_a_list_of_acl_conf_changes_whom_it_guards(read: Read) -> None:
    text = BASE.replace("aors=b", "aors=b\nacl=office")
    change = sip_difference(
        sip(read, text, acl="[office]\npermit=10.0.0.1\n"), sip(read, text, acl="[office]\npermit=10.0.0.2\n")
    )
    assert names(change) == {"endpoints": ["b"]}


def test_slices_add_up_and_keep_a_safe_order(read: Read) -> None:
    old = sip(read, BASE)
    new = sip(read, "[global]\nmax_forwards=5\n[g]\ntype=acl\ndeny=10.0.0.9\n" + BASE.replace("[a]", "[c]"))
    change = sip_difference(old, new)
    parts = list(slices(change, 1))
    assert parts[0].general == new.general
    assert all(sum(len(getattr(part, kind)) for kind in KINDS) == 1 for part in parts[1:])
    steps = [(kind, value is None) for part in parts for kind in KINDS for value in getattr(part, kind).values()]
    assert steps == [
        ("acls", False),
        ("auths", False),
        ("aors", False),
        ("endpoints", False),
        ("endpoints", True),
        ("aors", True),
        ("auths", True),
    ]
    assert len(list(slices(change, 100))) == len(steps) + 1
    assert not list(slices(SipChange(), 1))


def test_peers(read: Read) -> None:
    old = read(iax="[a]\ntype=friend\nhost=dynamic\n[b]\ntype=peer\n[c]\ntype=peer\n")[0].iax
    new = read(iax="\n[a]\ntype=friend\nhost=10.0.0.1\n[c]\ntype=peer\n[d]\ntype=peer\n")[0].iax
    assert old is not None
    assert new is not None
    found = [(before and before.name, now and now.name) for before, now in peer_difference(old.peers, new.peers)]
    assert found == [("a", "a"), ("b", None), (None, "d")]


def test_what_needs_a_restart_is_told(read: Read) -> None:
    old = read(pjsip=BASE)[0]
    moved = read(pjsip="\n" + BASE, ari="\n" + ARI, http="\n" + HTTP)[0]
    assert restarts(old, moved) == []
    assert same(old.ari, moved.ari)
    assert not same(old.ari, read(ari=ARI.replace("x", "y"))[0].ari)
    new = read(
        pjsip="[system]\ntimer_t1=400\n" + BASE.replace(":5060", ":5070"),
        http="[general]\nenabled=yes\nbindport=1\n",
        ari="[general]\nenabled=no\n",
        switchroom="[general]\nstrict=yes\n",
        sip="[a]\ntype=friend\nhost=dynamic\n",
    )[0]
    assert restarts(old, new) == [
        "the transport t of pjsip.conf",
        "timer_t1 of pjsip.conf",
        "sip.conf came",
        "http.conf",
        "enabled of ari.conf",
        "switchroom.conf",
    ]
    assert restarts(old, Configuration(http=old.http, ari=old.ari)) == ["pjsip.conf is gone"]
    assert restarts(Configuration(http=old.http, ari=old.ari), old) == ["pjsip.conf came"]


PEERS = "[general]\nbindport=5070\n[a]\ntype=friend\nhost=dynamic\nsecret=x\n[b]\ntype=peer\nhost=192.0.2.1\n"


def test_what_of_sip_conf_needs_a_restart_is_told(read: Read) -> None:
    old = read(pjsip=BASE, sip=PEERS)[0]
    assert restarts(old, read(pjsip=BASE, sip="\n" + PEERS.replace("secret=x", "secret=y"))[0]) == []
    new = read(pjsip=BASE, sip=PEERS.replace("5070", "5071\nuseragent=Box\ntimert1=600\nmaxforwards=20"))[0]
    assert restarts(old, new) == [
        "the transport sip-udp of sip.conf",
        "timert1 of sip.conf",
        "maxforwards of sip.conf",
        "useragent of sip.conf",
    ]


def test_peers_that_are_different(read: Read) -> None:
    old = read(sip=PEERS)[0].chan_sip
    new = read(sip="\n" + PEERS.replace("192.0.2.1", "192.0.2.2") + "[c]\ntype=peer\n")[0].chan_sip
    assert old is not None
    assert new is not None
    found = [(before and before.name, now and now.name) for before, now in peer_difference(old.peers, new.peers)]
    assert found == [("b", "b"), (None, "c")]
    assert [before and before.name for before, _ in peer_difference(new.peers, {})] == ["a", "b", "c"]


def test_a_registration_that_changed_is_served_anew(read: Read) -> None:
    text = "[p]\ntype=registration\nserver_uri=sip:h\nclient_uri=sip:a@h\n"
    change = sip_difference(sip(read, BASE + text), sip(read, BASE + text.replace("a@h", "b@h")))
    assert names(change) == {"registrations": ["p"]}
    assert sip_difference(sip(read, BASE + text), sip(read, BASE)) == SipChange(registrations={"p": None})
