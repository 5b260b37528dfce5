"""Who owes which months by what is recorded or withdrawn, and that few inputs tell it as all of the city's do."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from service.indicator.evidence import Evidence, Line, Recorded, Tree
from service.indicator.kinds import KINDS
from service.indicator.newly_due import Changes, newly_due, unsettled
from service.indicator.recording import Identity
from service.periods import Period

PARENTS = {"city": None, "d": "city", "e": "city", "s1": "d", "s2": "d", "c1": "s1", "c2": "s1", "c3": "s2"}
TREE = Tree(PARENTS)
CLEARED = KINDS["cleared"]
# Of 2026 five months have begun, of 2027 none.
TODAY = date(2026, 5, 20)
MONTHS = [f"2025-{month:02}" for month in range(1, 13)]


def of(area: str, period: str, source: str = "office") -> Identity:
    return area, Period.parse(period), "cleared", source, None


def evidence(*identities: Identity) -> Evidence:
    return Evidence(TREE, [Recorded(1, *each, 1, 0) for each in identities])


def written(recorded: list[Identity], changed: list[Identity]) -> list[Identity]:
    """What counts once they are recorded, or withdrawn where they were."""
    return [*(each for each in recorded if each not in changed), *(each for each in changed if each not in recorded)]


def due(recorded: list[Identity], changed: list[Identity], today: date = TODAY) -> list[tuple[str, str, list[str]]]:
    """Area, source and months; from no more than is on the way up and below what is not settled by that."""
    changes = Changes.of(CLEARED, changed, today)
    read = set(changes.way_up(TREE))
    more = unsettled(*both(recorded, changed, read), changes)
    read |= {part for each in more for part in TREE.subtree(each)}
    found = newly_due(*both(recorded, changed, read), changes, changes.area_ids | more)
    return [(each.line.area_id, each.line.source or "", [str(month) for month in each.months]) for each in found]


def both(recorded: list[Identity], changed: list[Identity], areas: set[str]) -> tuple[Evidence, Evidence]:
    read = [each for each in recorded if each[0] in areas]
    return evidence(*read), evidence(*written(read, changed))


def due_by_looking_at_all(
    recorded: list[Identity], changed: list[Identity], today: date
) -> list[tuple[str, str, list[str]]]:
    """The same of all of the city's inputs, each area on the way up and each year looked at."""
    before, after = evidence(*recorded), evidence(*written(recorded, changed))
    area_ids = {each[0] for each in changed}
    found: dict[tuple[str, str], set[Period]] = {}
    for around in {around for each in area_ids for around in TREE.upwards(each)}:
        for year in {year for each in changed for year in (each[1].year, each[1].year + 1)}:
            known = set(Period(year).begun(today))
            for line in before.lines(CLEARED, around, Period(year)):
                known &= line.months_present
            for line in after.lines(CLEARED, around, Period(year)):
                if line != Line("cleared", around) or around in area_ids:
                    found.setdefault((line.area_id, line.source or ""), set()).update(known - line.months_present)
    return [(*who, [str(month) for month in sorted(months)]) for who, months in sorted(found.items()) if months]


identities = st.builds(
    of,
    st.sampled_from([*PARENTS]),
    # Whole years are the most, else hardly a month is ever known of all.
    st.sampled_from(["2024", "2025", "2025", "2025", "2026", "2025-01/2025-06", "2025-07", "2026-Q1"]),
    st.sampled_from(["office", "river"]),
)


@given(
    st.lists(identities, unique=True, max_size=14),
    st.data(),
    st.sampled_from([TODAY, date(2025, 9, 1), date(2027, 1, 1)]),
)
def test_a_few_inputs_tell_what_all_of_the_city_do(recorded: list[Identity], data: st.DataObject, today: date) -> None:
    among = st.one_of(identities, st.sampled_from(recorded)) if recorded else identities
    changed = data.draw(st.lists(among, unique=True, min_size=1, max_size=4))
    assert due(recorded, changed, today) == due_by_looking_at_all(recorded, changed, today)


def test_who_begins_to_report_beside_others_owes_the_months_that_were_known() -> None:
    recorded = [of("d", month) for month in MONTHS]
    assert due(recorded, [of("d", "2025-03", "river")]) == [("d", "river", [*MONTHS[:2], *MONTHS[3:]])]


def test_the_first_who_reports_takes_no_month_away() -> None:
    assert due([], [of("d", "2025-03")]) == []


def test_an_area_that_reports_beside_its_parts_takes_away_what_these_had_told() -> None:
    parts = [of("s1", "2025"), of("s2", "2025")]
    assert due(parts, [of("d", "2025-01")]) == [("d", "office", MONTHS[1:])]
    # Of one of them nothing was known.
    assert due(parts[:1], [of("d", "2025-01")]) == []


def test_a_source_that_reported_for_the_area_around_is_missed_there_again_once_its_part_is_withdrawn() -> None:
    recorded = [of("d", "2024"), of("d", "2025", "river"), of("s1", "2025")]
    found = due(recorded, [of("s1", "2025")], today=date(2025, 12, 31))
    assert found == [("d", "office", MONTHS), ("s1", "", MONTHS)]


def test_the_last_report_of_a_part_that_is_withdrawn_is_missed_in_the_area_around() -> None:
    recorded = [of("s1", "2025"), of("c3", "2025")]
    found = due(recorded, [of("c3", "2025")], today=date(2025, 12, 31))
    assert found == [("c3", "", MONTHS), ("s2", "", MONTHS)]


def test_of_an_area_that_reports_itself_and_goes_on_no_part_is_read() -> None:
    recorded = [of("d", "2025"), of("d", "2026", "office")]
    changes = Changes.of(CLEARED, [of("d", "2026-01", "river")], TODAY)
    assert unsettled(*both(recorded, [of("d", "2026-01", "river")], {"city", "d"}), changes) == frozenset()
    # Nor of the city that a community lies in.
    recorded = [of("c1", "2025"), of("c1", "2026")]
    changes = Changes.of(CLEARED, [of("c1", "2026-01", "river")], TODAY)
    assert unsettled(*both(recorded, [of("c1", "2026-01", "river")], {"city", "d", "s1", "c1"}), changes) == frozenset()
