"""Charts are read by eyes and by screen readers, on phones and on paper; here without a browser."""

from decimal import Decimal
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.indicator import charts
from service.indicator.chart_layout import (
    LAYOUTS,
    NARROW,
    WIDE,
    Box,
    Layout,
    along,
    first_that_fits,
    round_scale,
    text_width,
    wrapped,
)

SVG = "{http://www.w3.org/2000/svg}"
CAPTION = charts.Caption("回收利用率", "2024 34.08%；2025 36.74%。")
NAMES = charts.LineNames("已发布", "今年以来（暂算）", "全年预计", "规划目标", "纵轴从 {low}% 起。")
TARGET = tuple(
    charts.Point(year, str(year), Decimal(percent), f"{percent}%")
    for year, percent in ((2025, "35"), (2027, "38.5"), (2035, "50"))
)
POINTS = (
    charts.Point(2024, "2024", Decimal("34.08"), "34.08%"),
    charts.Point(2025, "2025", Decimal("36.74"), "36.74%"),
    charts.Point(2025.75, "", Decimal("37.02"), "37.02%", "provisional"),
    charts.Point(2026, "2026", Decimal("37.35"), "37.35%", "projected"),
)
ELEMENTS = {"svg", "title", "desc", "defs", "pattern", "rect", "line", "circle", "polygon", "polyline", "text"}
layouts = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
rates = st.decimals(0, 100, places=2)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314  # what we drew ourselves


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in parsed(svg).iter(f"{SVG}text")]


def classes(svg: str, tag: str, style: str) -> list[ElementTree.Element]:
    return [each for each in parsed(svg).iter(f"{SVG}{tag}") if style in each.get("class", "").split()]


def line(layout: Layout = WIDE, points: tuple[charts.Point, ...] = POINTS) -> str:
    return charts.line_chart("rate", CAPTION, points, TARGET, NAMES, layout)


def bars(*values: charts.Bar, layout: Layout = WIDE) -> str:
    return charts.bar_chart("bars", CAPTION, values, layout)


def columns(*values: tuple[int | None, ...], layout: Layout = WIDE) -> str:
    months = [
        charts.Column(f"{number}月", tuple(None if value is None else Decimal(value) for value in of_month))
        for number, of_month in enumerate(values, 1)
    ]
    return charts.column_chart("months", CAPTION, months, ("R", "K", "C"), "吨", layout)


def every_chart(layout: Layout) -> list[str]:
    return [
        line(layout),
        bars(charts.Bar("纸类", Decimal(5), "5 吨"), charts.Bar("玻璃", None, "不单独列出"), layout=layout),
        columns((1, 2, 3), (None, None, None), (4, None, 6), layout=layout),
    ]


def boxes(svg: str) -> list[tuple[str, Box]]:
    """Each text with the room it takes."""
    root = parsed(svg)
    font = float(root.get("font-size", ""))
    found = []
    for each in root.iter(f"{SVG}text"):
        text, x, y = each.text or "", float(each.get("x", "")), float(each.get("y", ""))
        width = text_width(text, font, bold=each.get("class") in ("value", "strong"))
        left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[each.get("text-anchor", "")]
        found.append((text, Box(left, y - font * 0.95, left + width, y + font * 0.2)))
    return found


def assert_legible(svg: str) -> None:
    _, _, width, height = (float(number) for number in (parsed(svg).get("viewBox") or "").split())
    whole = Box(-0.5, 0, width + 0.5, height)
    placed = boxes(svg)
    assert not [text for text, box in placed if not box.inside(whole)]
    touching = [
        (one, other)
        for (one, a), (other, b) in combinations(placed, 2)
        if a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom
    ]
    assert not touching


MONTHS = tuple(
    charts.Point(month, f"{month} 月", Decimal(percent), f"{percent}%")
    for month, percent in enumerate(("30.27", "29.17", "29.60", "29.86", "30.10", "29.95", "30.40", "30.05"), 1)
)


def test_no_value_stands_on_the_line() -> None:
    """As far as there is room beside it, which a wide chart has."""
    svg = charts.line_chart("rate", CAPTION, MONTHS, (), NAMES, WIDE)
    [drawn] = classes(svg, "polyline", "rate")
    corners = [(float(x), float(y)) for x, y in (each.split(",") for each in drawn.get("points", "").split())]
    values = classes(svg, "text", "value")
    assert {each.text for each in values} == {each.text for each in MONTHS}
    for each in values:
        x, y = float(each.get("x", "")), float(each.get("y", ""))
        half = text_width(each.text or "", WIDE.font) / 2
        # The digits, without the room that a font may take around them.
        digits = Box(x - half, y - WIDE.font * 0.7, x + half, y)
        inside = [
            step
            for step in along(corners, 2)
            if digits.left < step.left < digits.right and digits.top < step.top < digits.bottom
        ]
        assert inside == [], each.text


@layouts
def test_a_chart_says_to_a_screen_reader_what_it_shows(layout: Layout) -> None:
    for svg in every_chart(layout):
        root = parsed(svg)
        assert root.get("role") == "img"
        by_id = {each.get("id"): each for each in root.iter() if each.get("id")}
        title, description = by_id[root.get("aria-labelledby")], by_id[root.get("aria-describedby")]
        assert (title.tag, title.text) == (f"{SVG}title", CAPTION.title)
        assert (description.tag, description.text) == (f"{SVG}desc", CAPTION.description)


@layouts
def test_a_chart_scales_to_its_box_and_carries_no_script_style_or_address(layout: Layout) -> None:
    for svg in every_chart(layout):
        root = parsed(svg)
        assert root.get("viewBox")
        assert root.get("width") is root.get("height") is None
        tags = {each.tag.removeprefix(SVG) for each in root.iter()}
        assert tags <= ELEMENTS
        attributes = {name for each in root.iter() for name in each.keys()}  # noqa: SIM118  # an Element is no mapping
        assert not {name for name in attributes if name.startswith("on") or name in ("style", "href")}
        assert svg.count("http") == 1


def test_two_layouts_of_one_chart_share_no_id() -> None:
    for narrow, wide in zip(every_chart(NARROW), every_chart(WIDE), strict=True):
        ids = [each.get("id") for svg in (narrow, wide) for each in parsed(svg).iter() if each.get("id")]
        assert len(ids) == len(set(ids))


@layouts
def test_no_text_can_become_markup(layout: Layout) -> None:
    evil = "</text><script>alert(1)</script>\"'&\x00\x1b"
    caption = charts.Caption(evil, evil)
    names = charts.LineNames(evil, evil, evil, evil, evil.replace("{", ""))
    drawn = [
        charts.line_chart("a", caption, [charts.Point(1, evil, Decimal(1), evil)], [], names, layout),
        charts.bar_chart("b", caption, [charts.Bar(evil, Decimal(1), evil)], layout),
        charts.column_chart("c", caption, [charts.Column(evil, (Decimal(1),))], [evil], evil, layout),
    ]
    for svg in drawn:
        assert "<script" not in svg
        assert "\x00" not in svg
        assert "alert(1)" in "".join(parsed(svg).itertext())


@layouts
def test_measured_provisional_projected_and_target_differ_in_shape(layout: Layout) -> None:
    svg = line(layout)
    rings = classes(svg, "circle", "hollow")
    # Each once in the legend, and once in the chart; two are measured.
    assert len(rings) == 2
    assert len(classes(svg, "circle", "mark")) - len(rings) == 3
    assert len(classes(svg, "polygon", "mark")) == 2
    assert len(classes(svg, "rect", "target-mark")) == 1 + len(TARGET)
    assert "stroke-dasharray" in next(rule for rule in charts.STYLE.splitlines() if rule.startswith(".chart .target {"))


def test_the_projection_goes_on_from_the_last_measured_point() -> None:
    solid, ahead = classes(line(), "polyline", "rate")
    assert "ahead" in ahead.get("class", "")
    assert ahead.get("points", "").split()[0] == solid.get("points", "").split()[-1]


def test_an_axis_that_does_not_begin_at_0_says_so() -> None:
    assert "纵轴从 30% 起。" in texts(line())
    low = line(points=(charts.Point(2024, "2024", Decimal(1), "1%"),))
    assert not [text for text in texts(low) if "纵轴" in text]
    assert "0%" in texts(low)


def test_a_single_point_is_drawn() -> None:
    svg = charts.line_chart("rate", CAPTION, POINTS[:1], [], NAMES, NARROW)
    assert {"34.08%", "2024"} <= set(texts(svg))
    assert_legible(svg)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one point"):
        charts.line_chart("rate", CAPTION, [], [], NAMES, WIDE)
    with pytest.raises(ValueError, match="columns"):
        charts.column_chart("months", CAPTION, [], ("R",), "t", WIDE)
    with pytest.raises(ValueError, match="one to three series"):
        charts.column_chart("months", CAPTION, [charts.Column("1", ())], ("a", "b", "c", "d"), "t", WIDE)


@layouts
def test_bars_are_as_long_as_their_values(layout: Layout) -> None:
    svg = bars(
        charts.Bar("a", Decimal(400), "400"),
        charts.Bar("b", Decimal(100), "100"),
        charts.Bar("c", None, "–"),
        layout=layout,
    )
    first, second = (float(each.get("width", "")) for each in classes(svg, "rect", "bar"))
    # Coordinates have one digit after the point.
    assert first == pytest.approx(4 * second, abs=0.3)
    assert len(classes(svg, "rect", "track")) == 2
    assert {"a", "b", "c", "400", "100", "–"} == set(texts(svg))


def test_columns_are_stacked_and_what_is_not_known_is_no_zero() -> None:
    svg = columns((10, 20, 30), (None, None, None))
    r, k, c = (classes(svg, "rect", f"edge-{kind}")[1] for kind in range(3))
    tops = [float(each.get("y", "")) for each in (r, k, c)]
    heights = [float(each.get("height", "")) for each in (r, k, c)]
    # Each stands on the one below; the edge lies 0.75 inside of its piece.
    assert tops[1] + heights[1] + 1.5 == pytest.approx(tops[0], abs=0.2)
    assert tops[2] + heights[2] + 1.5 == pytest.approx(tops[1], abs=0.2)
    assert heights[2] + 1.5 == pytest.approx(3 * (heights[0] + 1.5), abs=0.5)
    assert texts(svg).count("–") == 1


def test_a_month_s_name_stands_under_the_middle_of_its_column() -> None:
    svg = columns((10, 20, 30), (1, 2, 3), layout=NARROW)
    middles = [
        float(each.get("x", "")) + float(each.get("width", "")) / 2 for each in classes(svg, "rect", "edge-0")[1:]
    ]
    names = [float(each.get("x", "")) for each in parsed(svg).iter(f"{SVG}text") if (each.text or "").endswith("月")]
    assert sorted(names) == pytest.approx(middles, abs=0.2)


@layouts
def test_the_newest_published_figure_is_always_labelled(layout: Layout) -> None:
    assert "36.74%" in texts(line(layout))


@layouts
@given(
    years=st.lists(st.tuples(st.integers(2019, 2034), rates), max_size=14, unique_by=lambda each: each[0]),
    so_far=st.none() | st.tuples(st.integers(1, 11), rates, rates),
    with_target=st.booleans(),
)
def test_no_label_of_a_line_chart_covers_another_or_is_cut(
    layout: Layout,
    years: list[tuple[int, Decimal]],
    so_far: tuple[int, Decimal, Decimal] | None,
    with_target: bool,
) -> None:
    points = [charts.Point(year, str(year), percent, f"{percent}%") for year, percent in sorted(years)]
    if so_far is not None:
        months, percent, expected = so_far
        points.append(charts.Point(2034 + months / 12, "", percent, f"{percent}%", "provisional"))
        points.append(charts.Point(2035, "2035", expected, f"{expected}%", "projected"))
    if points or with_target:
        target = TARGET if with_target else ()
        assert_legible(charts.line_chart("rate", CAPTION, points, target, NAMES, layout))


@layouts
@given(
    st.lists(
        st.tuples(st.text("街道社区 Subdistrict", min_size=1, max_size=32), st.none() | st.integers(0, 10**12)),
        max_size=14,
    )
)
def test_no_label_of_a_bar_chart_covers_another_or_is_cut(layout: Layout, rows: list[tuple[str, int | None]]) -> None:
    values = [
        charts.Bar(name, None if grams is None else Decimal(grams), "不单独列出" if grams is None else f"{grams:,}")
        for name, grams in rows
    ]
    svg = bars(*values, layout=layout)
    assert_legible(svg)
    assert {each.text for each in values} <= set(texts(svg))


@layouts
@given(
    st.lists(
        st.tuples(*[st.none() | st.integers(0, 10**9)] * 3),
        min_size=1,
        max_size=12,
    )
)
def test_no_label_of_columns_covers_another_or_is_cut(
    layout: Layout, months: list[tuple[int | None, int | None, int | None]]
) -> None:
    assert_legible(columns(*months, layout=layout))


@given(st.decimals(0, 10**9, places=2), st.decimals(0, 10**9, places=2))
def test_an_axis_has_round_numbers_around_its_values(one: Decimal, other: Decimal) -> None:
    scale = round_scale(min(one, other), max(one, other))
    assert scale.low <= min(one, other)
    assert max(one, other) <= scale.high
    steps = {after - before for before, after in zip(scale.ticks, scale.ticks[1:], strict=False)}
    assert len(steps) == 1
    assert str(steps.pop().normalize().as_tuple().digits) in ("(1,)", "(2,)", "(5,)")
    assert 2 <= len(scale.ticks) <= 8
    assert (scale.ticks[0], scale.ticks[-1]) == (scale.low, scale.high)
    assert 0 <= scale.share(one) <= 1


def test_an_axis_goes_upwards_from_0() -> None:
    with pytest.raises(ValueError, match="upwards"):
        round_scale(Decimal(-1), Decimal(1))
    with pytest.raises(ValueError, match="upwards"):
        round_scale(Decimal(2), Decimal(1))


@given(st.text("街道 Sub-district", max_size=40), st.integers(30, 300))
def test_wrapping_loses_nothing_and_breaks_no_word(text: str, width: int) -> None:
    lines = wrapped(text, 13, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for each in lines:
        # Only a word that is wider than a line alone makes it wider.
        assert text_width(each, 13) <= width or " " not in each.strip()


def test_a_box_goes_where_it_overlaps_nothing() -> None:
    within, taken = Box(0, 0, 100, 100), [Box(0, 0, 40, 40)]
    free, outside, covered = Box(50, 50, 60, 60), Box(95, 95, 105, 105), Box(30, 30, 60, 60)
    assert first_that_fits([covered, outside, free], taken, within) == free
    assert first_that_fits([covered, outside], taken, within) is None
