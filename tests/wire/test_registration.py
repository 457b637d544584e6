"""A Switchroom that registers at another one, as at any provider: what is sent to its account comes out here."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.ari import ari_client
from support.config import Address, user
from support.events import events
from support.phone import phone
from support.server import running_server
from support.transports import addresses, write_transports
from support.wait import until


def pjsip_registration(server: Address, transport: str) -> str:
    return (
        "[provider]\ntype=registration\n"
        f"server_uri=sip:{server}\\;transport={transport}\nclient_uri=sip:4711@{server.host}\n"
        "contact_user=alice\noutbound_auth=provider\nmax_random_initial_delay=0\nline=yes\nendpoint=trunk\n"
        "[provider]\ntype=auth\nusername=4711\npassword=4711pw\n"
        # Whoever knows the line is the trunk: neither name nor address would do.
        "[trunk]\ntype=endpoint\nidentify_by=ip\n"
    )


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_texts_to_the_account_come_in_by_the_line_and_end_with_the_server(tmp_path: Path, transport: str) -> None:
    provider = write_transports(tmp_path / "provider", pjsip=user("4711") + user("dave"))
    at = addresses(provider)
    ours = write_transports(
        tmp_path / "ours", pjsip=user("alice") + pjsip_registration(at[transport], transport), browsers=()
    )
    async with running_server(provider) as there, ari_client(there.base) as ari_there:
        async with (
            running_server(ours) as here,
            events(here.base, "app", subscribe_all=True) as heard,
            phone("alice", here.sip) as alice,
            phone("dave", there.sip) as dave,
        ):
            await until(lambda: ari_there.is_state("4711", "online"), "our registration")
            assert (await alice.register(password="alicepw")).status == 200
            assert (await dave.register(password="davepw")).status == 200
            assert (await dave.message("4711", "is anybody there?", password="davepw")).status == 202
            assert (await alice.next("MESSAGE")).body == "is anybody there?"
            event = await heard.next_of("TextMessageReceived")
            assert event["endpoint"]["resource"] == "trunk"
            assert "registered" in here.log()
            assert here.log_errors() == []
        await until(lambda: ari_there.is_state("4711", "offline"), "the end of our registration")
        assert there.log_errors() == []


async def test_a_line_register_of_sip_conf_and_a_wrong_password(tmp_path: Path) -> None:
    provider = write_transports(tmp_path / "provider", pjsip=user("4711") + user("4712"))
    at = addresses(provider)["tcp"]
    ours = write_transports(tmp_path / "ours", pjsip=user("alice"), browsers=())
    port = addresses(ours)["udp"].port + 1
    (ours / "sip.conf").write_text(
        f"[general]\nudpbindaddr=127.0.0.1:{port}\ntcpenable=yes\ntcpbindaddr=127.0.0.1:{port}\n"
        f"register => tcp://4711:4711pw@{at}/alice\nregister => tcp://4712:wrong@{at}/alice\n"
    )
    async with running_server(provider) as there, ari_client(there.base) as ari, running_server(ours) as here:
        await until(lambda: ari.is_state("4711", "online"), "our registration")
        await until(lambda: "a registration was refused" in here.log(), "the refusal of the other")
        assert await ari.is_state("4712", "offline")
        assert "wrong" not in here.log()
