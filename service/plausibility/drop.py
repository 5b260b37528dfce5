"""What rules look at, and what they say."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

Action: TypeAlias = Literal["credit", "hold", "reject"]
AccountKind: TypeAlias = Literal["resident", "trader"]
# What a finding tells: whole numbers by name, units last.
Figures: TypeAlias = dict[str, int]

# The stronger one decides.
STRENGTH: Final[dict[Action, int]] = {"credit": 0, "hold": 1, "reject": 2}


class Drop(NamedTuple):
    """One drop as its bin told it."""

    sequence: int
    material_id: str
    weight_grams: int
    # What the box weighed after the drop; None where the bin does not weigh its boxes.
    box_weight_grams: int | None
    # Unix seconds, the bin's word.
    occurred_at: float
    # The service's clock less `created` of the signature: above 0, the bin is behind. None where nothing was signed.
    clock_skew_seconds: int | None
    # What it would earn; 0 without a tariff.
    coins: int
    has_tariff: bool


class BinFacts(NamedTuple):
    """What the reference data say of a bin."""

    # Its scale's verification interval e, and the most that it weighs.
    interval_grams: int
    capacity_grams: int
    # The most that one of its boxes holds.
    box_capacity_grams: int
    # Unix seconds: the end of the certificate's last business day; inf where the bin has none.
    certificate_ends_at: float
    # Unix seconds: the last service visit; -inf where there was none.
    serviced_at: float


@dataclass(slots=True)
class AccountDay:
    """What an account was credited for on one business day, by the drops' own time; raised with each drop that is."""

    kind: AccountKind
    drops: int
    grams: int
    coins: int


class Finding(NamedTuple):
    """A rule that acted, or a guard."""

    code: str
    action: Action
    figures: Figures


class Verdict(NamedTuple):
    """What is to be done with a drop or a clearance, and why; `epoch` is of the count that its number belongs to, None
    where that was used before."""

    action: Action
    findings: tuple[Finding, ...]
    epoch: int | None

    @property
    def code(self) -> str | None:
        """Of the finding that decided: the first of the strongest; None where nothing was found."""
        for finding in self.findings:
            if finding.action == self.action:
                return finding.code
        return None


def verdict_of(findings: list[Finding], epoch: int | None) -> Verdict:
    """The strongest action of all findings; credit where there is none."""
    if not findings:
        return Verdict("credit", (), epoch)
    return Verdict(max((each.action for each in findings), key=STRENGTH.__getitem__), tuple(findings), epoch)
