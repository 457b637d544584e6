"""switchroom.conf."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from switchroom.model.settings import SwitchroomSettings

from .conftest import Read


def test_all_options(read: Read) -> None:
    configuration, problems = read(
        switchroom="[general]\nstrict=yes\nfork=First\ncalls=None\nentity_id=desk\nlog_format=json\nlog_level=debug\n"
        "metrics=Open\n"
        "trusted_proxies=127.0.0.1,10.0.0.0/8\n"
        "[desk]\ntype=application\nsubscribe=endpoint:PJSIP,deviceState:\nsubscribe=message:\n"
    )
    assert problems == []
    assert configuration.switchroom == SwitchroomSettings(
        strict=True,
        fork="first",
        calls="none",
        entity_id="desk",
        log_format="json",
        log_level="debug",
        metrics="open",
        trusted_proxies=(ip_network("127.0.0.1"), ip_network("10.0.0.0/8")),
        applications={"desk": ("endpoint:PJSIP", "deviceState:", "message:")},
    )


def test_mistakes(read: Read) -> None:
    configuration, problems = read(switchroom="[general]\nfork=some\nfrok=all\n[extra]\n")
    assert configuration.switchroom == SwitchroomSettings()
    assert [(p.source.line, p.severity) for p in problems] == [(2, "error"), (3, "warning"), (4, "warning")]
    assert '"fork"' in problems[1].advice


@pytest.mark.parametrize(
    "text",
    [
        "[a]\ntype=application\nsubscribe=PJSIP/alice\n",
        "[a]\ntype=application\nsubscribe=tech:x\n",
        f"[{'a' * 74}]\ntype=application\n",
    ],
)
def test_applications_that_can_not_be_subscribed(read: Read, text: str) -> None:
    configuration, problems = read(switchroom=text)
    assert [p.severity for p in problems] == ["error"]
    assert not any(configuration.switchroom.applications.values())


def test_messages(read: Read) -> None:
    text = (
        "[general]\noffline=store\nmessage_life=60\nmessage_retention=0\nkeep_body=no\ndurability=disk\nmax_waiting=5\n"
        "[pjsip/alice]\noffline=reject\n[PJSIP/a/b]\n"
    )
    configuration, problems = read(switchroom=text)
    assert problems == []
    assert configuration.switchroom == SwitchroomSettings(
        offline="store",
        offline_of={"PJSIP/alice": "reject"},
        message_life=60,
        message_retention=0,
        keep_body=False,
        durability="disk",
        max_waiting=5,
    )


def test_messages_that_can_not_be(read: Read) -> None:
    text = "[general]\noffline=maybe\nmessage_life=0\nmax_waiting=-1\n[PJSIP/alice]\nofline=store\n"
    configuration, problems = read(switchroom=text)
    assert configuration.switchroom == SwitchroomSettings()
    assert [p.source.line for p in problems] == [2, 3, 4, 6]
