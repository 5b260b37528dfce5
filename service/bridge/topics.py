"""The topics of bins: which path of the service each stands for, and where an answer goes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ROOT: Final = "tanbi/v1/bins"
# The last level of a topic, and the path that its bin signs for.
PATHS: Final[Mapping[str, str]] = {
    "weigh-events": "/v1/weigh-events",
    "telemetry": "/v1/telemetry",
    "clearances": "/v1/clearances",
}
# Bridges that share one group are each given a part of the messages.
GROUP: Final = "tanbi"
BIN_ID: Final = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose topic a message came over, and which of theirs: a key of PATHS."""

    bin_id: str
    kind: str

    @property
    def path(self) -> str:
        return PATHS[self.kind]


def subscriptions() -> list[str]:
    """One shared subscription a kind, each for the topics of all bins."""
    return [f"$share/{GROUP}/{ROOT}/+/{kind}" for kind in PATHS]


def origin_of(topic: str) -> Origin | None:
    """None for a topic that no bin of ours can have."""
    bin_id, _, kind = topic.removeprefix(f"{ROOT}/").partition("/")
    if topic != f"{ROOT}/{bin_id}/{kind}" or kind not in PATHS or not BIN_ID.fullmatch(bin_id):
        return None
    return Origin(bin_id, kind)


def answer_topic(origin: Origin, asked: str | None) -> str:
    """The topic that the bin asked for where it is one of its own, otherwise that of its outcomes.

    The bridge may publish to every bin: none may have it write to another, or to itself what comes back as an event.
    """
    own = f"{ROOT}/{origin.bin_id}/"
    outcomes = f"{own}{origin.kind}/outcomes"
    if asked is None or not asked.startswith(own) or asked.removeprefix(own) in PATHS or set("+#") & set(asked):
        return outcomes
    return asked
