"""Recorded expectations that are wrong, and what holds instead.

Six cases of a referral name a sender by a URI or name-addr and yet expect ``From: <sip:alice@127.0.0.1>``, the
address of the endpoint alice. The rule is that ``from`` is the sender: a URI or name-addr stands in From as it was
given, and only the name of an endpoint means the endpoint. The same senders with the prefix ``pjsip:``
(``refer/from/04`` and ``refer/from/06``) and the same senders of texts (``send/from/...``) are recorded by that rule,
and the cases themselves say "From is the sender asked for". So these six are played with the From below; all else of
them stands as recorded.

Seven cases of an event filter find the application ``probe`` subscribed to all endpoints, only because Asterisk could
not unsubscribe it right before. Here ``apps/unsubscribe/probe/18`` does unsubscribe it, as that case itself asks. So
the subscription is made again before the first of the seven, which are then played as recorded.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

#: Case to the From that the rule asks for.
FROM_BY_THE_RULE: Mapping[str, str] = {
    "refer/from/03": "<sip:alice@example.org>",
    "refer/from/05": '"Alice A" <sip:alice@example.org>',
    "refer/from/07": '"Alice A" <sip:alice@example.org>',
    "refer/from/09": "<sip:alice@example.org>",
    "refer/from/14": '"Zoë" <sip:zoe@example.org>',
    "refer/from/20": "<sip:al%20ice@example.org>",
}

#: Case to a path that is POSTed before it, to bring back the state in which it was recorded.
POSTED_BEFORE: Mapping[str, str] = {
    "apps/filter/probe/00": "/ari/applications/probe/subscription?eventSource=endpoint:",
}


def by_the_rule(case: Mapping[str, Any]) -> Mapping[str, Any]:
    """The case with the right From, when it is one of the six; else the case itself."""
    if case["id"] not in FROM_BY_THE_RULE:
        return case
    corrected = copy.deepcopy(dict(case))
    corrected["expect"]["wire"][0]["headers"]["From"] = FROM_BY_THE_RULE[case["id"]]
    return corrected
