"""Charts as SVG, made here: no script, no outside host, every figure also in words. Pure.

A chart is drawn once for each Layout, and CSS shows the one that fits (STYLE, which a page must include: it has no
inline styles, so that the page's policy can forbid them). Nothing is told apart by colour alone: lines differ in dashes
and markers, columns in patterns. decisions/0017 says why no library is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, Protocol
from xml.etree.ElementTree import Element, SubElement, tostring

from service.indicator.chart_layout import (
    LINE_EM,
    Box,
    Layout,
    Scale,
    along,
    clean,
    first_that_fits,
    round_scale,
    text_width,
    wrapped,
)

# A page's own --ink, --muted, --line, --surface and colours of series; they change with dark mode and forced colours.
STYLE: Final = """\
.chart { margin: 0; }
.chart svg { display: block; width: 100%; height: auto; margin: 0 auto; overflow: visible; }
.chart .wide { display: none; } .chart .narrow { max-width: 26rem; }
.chart text { fill: var(--ink); font-variant-numeric: tabular-nums; }
.chart .quiet { fill: var(--muted); }
.chart .strong { font-weight: 600; }
.chart .value { font-weight: 600; paint-order: stroke; stroke: var(--surface); stroke-width: 3px; }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .axis { stroke: var(--muted); stroke-width: 1; }
.chart .rate { stroke: var(--series-1); stroke-width: 2.5; fill: none; }
.chart .ahead { stroke-dasharray: 2 4; stroke-linecap: round; }
.chart .target { stroke: var(--series-2); stroke-width: 2; stroke-dasharray: 7 5; fill: none; }
.chart .mark { fill: var(--series-1); stroke: var(--series-1); stroke-width: 2; }
.chart .hollow { fill: var(--surface); }
.chart .target-mark { fill: var(--surface); stroke: var(--series-2); stroke-width: 2; }
.chart .bar, .chart .solid { fill: var(--series-1); }
.chart .track { fill: var(--track); }
.chart .hatch { stroke: var(--series-2); stroke-width: 2.5; }
.chart .dots { fill: var(--series-3); }
.chart .ground { fill: var(--surface); }
.chart .edge-0 { stroke: var(--series-1); }
.chart .edge-1 { stroke: var(--series-2); }
.chart .edge-2 { stroke: var(--series-3); }
.chart .edge { fill: none; stroke-width: 1.5; }
@media (min-width: 48rem) { .chart .wide { display: block; } .chart .narrow { display: none; } }
@media print { .chart .wide { display: block; } .chart .narrow { display: none; } .chart { break-inside: avoid; } }
"""

RADIUS: Final = 4.5
PointKind = Literal["measured", "provisional", "projected"]


@dataclass(frozen=True, slots=True)
class Caption:
    """What a chart says to who cannot see it: its name, and its figures in words."""

    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Point:
    """One rate. `at`: where on the time axis, a year or the number of a month (2025.75 is a year to September);
    `tick`: what stands there under the axis, or nothing; `text`: the value as it is shown."""

    at: float
    tick: str
    percent: Decimal
    text: str
    kind: PointKind = "measured"


@dataclass(frozen=True, slots=True)
class LineNames:
    """The legend's words; `axis_from` is said where the axis does not begin at 0."""

    measured: str
    provisional: str
    projected: str
    target: str
    axis_from: str


@dataclass(frozen=True, slots=True)
class Bar:
    """`value` in any unit, None where it is not shown; `text` is what stands beside it."""

    label: str
    value: Decimal | None
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """One month: a value for each series, from the bottom up; None where it is not known."""

    tick: str
    values: tuple[Decimal | None, ...]


def line_chart(
    key: str, caption: Caption, points: Sequence[Point], target: Sequence[Point], names: LineNames, layout: Layout
) -> str:
    """The rate over time against the path of its targets. `key` begins every id in it, and is unique in the page.

    Measured points are joined by a line; from the last of them a dotted one goes to the projected point. A provisional
    point stands alone: it is of a part of the year. Raises ValueError where there is nothing to draw.
    """
    shown = [*points, *target]
    if not shown:
        raise ValueError("a chart has at least one point")
    scale = round_scale(min(each.percent for each in shown), max(each.percent for each in shown))
    kinds = {each.kind for each in points}
    entries = [(kind, name) for kind, name in _kinds(names) if kind in kinds] + [("target", names.target)] * bool(
        target
    )
    font, wide = layout.font, layout.width > 500
    canvas = _Canvas(key, caption, layout)
    top = canvas.legend(entries, _line_swatch) + font * 2.1
    height = 270.0 if wide else 260.0
    plot = Box(_ticks_width(scale, "%", font), top, layout.width - font * 1.6, top + height)
    canvas.close(plot.bottom + font * (2.2 if scale.low == 0 else 3.8))
    first, last = min(each.at for each in shown), max(each.at for each in shown)

    def place(point: Point) -> tuple[float, float]:
        share = (point.at - first) / (last - first) if last > first else 0.5
        return plot.left + share * (plot.right - plot.left), plot.bottom - scale.share(point.percent) * height

    axis = canvas.grid(scale, plot, "%")
    _draw_ticks(canvas, [(place(each)[0], each.tick) for each in _newest_first(shown)], plot)
    if scale.low > 0:
        canvas.text(plot.left, plot.bottom + font * 3.4, names.axis_from.format(low=_plain(scale.low)), "quiet")
    canvas.path([place(each) for each in target], "target")
    measured = [each for each in points if each.kind == "measured"]
    canvas.path([place(each) for each in measured], "rate")
    ahead = [each for each in points if each.kind == "projected"]
    canvas.path([place(each) for each in (*measured[-1:], *ahead)], "rate ahead")
    for each in target:
        canvas.mark("target", *place(each))
    for each in points:
        canvas.mark(each.kind, *place(each))
    others = [each for each in points if each not in measured[-1:]]
    labelled = [*measured[-1:], *_newest_first(others), *target]
    lines = [
        step
        for line in (target, measured, [*measured[-1:], *ahead])
        for step in along([place(each) for each in line], RADIUS)
    ]
    _draw_values(canvas, [(*place(each), each.text) for each in labelled], plot, axis, lines)
    return canvas.svg()


def bar_chart(key: str, caption: Caption, bars: Sequence[Bar], layout: Layout) -> str:
    """Horizontal bars from 0, in the order given. On a narrow screen the label stands above its bar."""
    font, wide = layout.font, layout.width > 500
    most = max((each.value for each in bars if each.value), default=Decimal(1))
    canvas = _Canvas(key, caption, layout)
    values = max((text_width(each.text, font, bold=True) for each in bars if each.value is not None), default=0)
    labels = min(max((text_width(each.label, font) for each in bars), default=0), layout.width * 0.38)
    left, room = (labels + font, layout.width - labels - values - 2 * font) if wide else (0.0, layout.width)
    y, thick = font * 0.4, font * (1.3 if wide else 0.9)
    for each in bars:
        lines = wrapped(
            each.label, font, labels if wide else layout.width - text_width(each.text, font, bold=True) - font
        )
        for number, line in enumerate(lines):
            x, anchor = (labels, "end") if wide else (0.0, "start")
            canvas.text(x, y + font * (1.0 + number * LINE_EM), line, anchor=anchor)
        if not wide:
            canvas.text(layout.width, y + font, each.text, "strong", anchor="end")
            y += font * LINE_EM * len(lines) + font * 0.15
        length = 0.0 if each.value is None else float(each.value / most) * room
        # What is not shown has no bar, and on a wide screen its words stand where the bar would be.
        if each.value is not None:
            canvas.rect(left, y, room, thick, "track")
            canvas.rect(left, y, max(length, 1.0), thick, "bar")
        if wide:
            canvas.text(layout.width, y + font, each.text, "strong", anchor="end")
        y += max(thick, font * LINE_EM * len(lines) if wide else 0) + font * 0.7
    canvas.close(y)
    return canvas.svg()


def column_chart(
    key: str, caption: Caption, columns: Sequence[Column], series: Sequence[str], unit: str, layout: Layout
) -> str:
    """Stacked columns from 0, one a month, at most three series from the bottom up: plain, hatched, dotted."""
    if not columns or not 1 <= len(series) <= len(_FILLS):
        raise ValueError("a chart has columns, and one to three series")
    font, wide = layout.font, layout.width > 500
    most = max(sum((value for value in each.values if value is not None), Decimal(0)) for each in columns)
    scale = round_scale(Decimal(0), most)
    canvas = _Canvas(key, caption, layout)
    canvas.patterns()
    top = canvas.legend([(str(number), name) for number, name in enumerate(series)], _column_swatch) + font * 3.4
    plot = Box(
        max(_ticks_width(scale, "", font), text_width(unit, font) + font),
        top,
        layout.width - 1,
        top + (250.0 if wide else 210.0),
    )
    canvas.close(plot.bottom + font * 2.2)
    canvas.text(plot.left - font * 0.5, top - font * 1.1, unit, "quiet", anchor="end")
    canvas.grid(scale, plot, "")
    each_width = (plot.right - plot.left) / len(columns)
    height = plot.bottom - plot.top
    for number, column in enumerate(columns):
        x, y = plot.left + each_width * (number + 0.18), plot.bottom
        for kind, value in enumerate(column.values):
            if value:
                tall = scale.share(value) * height
                y -= tall
                canvas.column(x, y, each_width * 0.64, tall, kind)
        if all(value is None for value in column.values):
            canvas.text(x + each_width * 0.32, plot.bottom - font * 0.4, "–", "quiet", anchor="middle")
    _draw_ticks(
        canvas, [(plot.left + each_width * (number + 0.5), each.tick) for number, each in enumerate(columns)], plot
    )
    return canvas.svg()


_FILLS: Final = ("solid", "hatched", "dotted")


def _kinds(names: LineNames) -> tuple[tuple[PointKind, str], ...]:
    return (("measured", names.measured), ("provisional", names.provisional), ("projected", names.projected))


def _newest_first(points: Sequence[Point]) -> list[Point]:
    return sorted(points, key=lambda each: -each.at)


def _plain(number: Decimal) -> str:
    """With groups, without an exponent or zeros at its end."""
    return f"{number.normalize():,f}"


def _ticks_width(scale: Scale, unit: str, font: float) -> float:
    """Room for the values beside an axis."""
    return max(text_width(_plain(tick) + unit, font) for tick in scale.ticks) + font


def _draw_ticks(canvas: "_Canvas", ticks: Sequence[tuple[float, str]], plot: Box) -> None:
    """Under the axis, those that fit: the first and the last in time, then in the order given."""
    font = canvas.font
    labelled = [(x, text) for x, text in dict.fromkeys(ticks) if text]
    ends = [end(labelled) for end in (max, min)] if labelled else []
    taken: list[Box] = []
    for x, text in dict.fromkeys((*ends, *labelled)):
        half = text_width(text, font) / 2
        middle = min(max(x, half), canvas.width - half)
        box = Box(middle - half, plot.bottom + font * 0.7, middle + half, plot.bottom + font * (0.7 + LINE_EM))
        if not any(box.overlaps(other) for other in taken):
            taken.append(box)
            canvas.line(x, plot.bottom, x, plot.bottom + font * 0.35, "axis")
            canvas.text(middle, plot.bottom + font * 1.7, text, "quiet", anchor="middle")


def _draw_values(
    canvas: "_Canvas",
    values: Sequence[tuple[float, float, str]],
    plot: Box,
    axis: Sequence[Box],
    lines: Sequence[Box],
) -> None:
    """Each value near its point, the first ones first, off the lines where there is room beside them; one that fits
    nowhere stands only in the table."""
    font = canvas.font
    taken = [Box(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y, _ in values] + list(axis)
    within = Box(0, plot.top - font * 1.6, canvas.width, plot.bottom)
    for x, y, text in values:
        wide, tall = text_width(text, font, bold=True), font * LINE_EM
        away = RADIUS + 4
        candidates = [
            Box(left, top, left + wide, top + tall)
            for left, top in (
                (x - wide / 2, y - away - tall),
                (x - wide / 2, y + away),
                (x + away, y - tall / 2),
                (x - away - wide, y - tall / 2),
                (x - wide + away, y - away - tall),
                (x - away, y + away),
                (x - wide + away, y + away),
                (x - away, y - away - tall),
                (x - wide / 2, y - 2 * away - tall),
                (x - wide / 2, y + 2 * away),
            )
        ]
        box = first_that_fits(candidates, [*taken, *lines], within) or first_that_fits(candidates, taken, within)
        if box is not None:
            taken.append(box)
            canvas.text((box.left + box.right) / 2, box.bottom - font * 0.3, text, "value", anchor="middle")


def _line_swatch(canvas: "_Canvas", kind: str, x: float, y: float, width: float) -> None:
    style = {"target": "target", "projected": "rate ahead", "measured": "rate"}.get(kind)
    if style is not None:
        canvas.line(x, y, x + width, y, style)
    canvas.mark(kind, x + width / 2, y)


def _column_swatch(canvas: "_Canvas", kind: str, x: float, y: float, width: float) -> None:
    canvas.column(x, y - canvas.font * 0.5, width * 0.7, canvas.font, int(kind))


class _Canvas:
    """One SVG while it is drawn."""

    def __init__(self, key: str, caption: Caption, layout: Layout) -> None:
        self.width, self.font = layout.width, layout.font
        self._key = f"{key}-{layout.name}"
        self._root = Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "class": layout.name,
                "role": "img",
                "aria-labelledby": f"{self._key}-title",
                "aria-describedby": f"{self._key}-desc",
                "font-size": f"{layout.font:g}",
            },
        )
        SubElement(self._root, "title", {"id": f"{self._key}-title"}).text = clean(caption.title)
        SubElement(self._root, "desc", {"id": f"{self._key}-desc"}).text = clean(caption.description)

    def close(self, height: float) -> None:
        """Its height is known."""
        self._root.set("viewBox", f"0 0 {self.width:g} {height:.0f}")

    def svg(self) -> str:
        return tostring(self._root, encoding="unicode")

    def text(self, x: float, y: float, text: str, style: str = "", *, anchor: str = "start") -> None:
        attributes = {"x": _number(x), "y": _number(y), "class": style, "text-anchor": anchor}
        # What the SVG says to a screen reader is its title and description; single labels would be read without order.
        SubElement(self._root, "text", attributes).text = clean(text)

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        ends = {"x1": _number(x1), "y1": _number(y1), "x2": _number(x2), "y2": _number(y2)}
        SubElement(self._root, "line", {**ends, "class": style})

    def path(self, points: Sequence[tuple[float, float]], style: str) -> None:
        if len(points) > 1:
            joined = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
            SubElement(self._root, "polyline", {"points": joined, "class": style})

    def rect(self, x: float, y: float, width: float, height: float, style: str, fill: str = "") -> None:
        sides = {"x": _number(x), "y": _number(y), "width": _number(width), "height": _number(height)}
        SubElement(self._root, "rect", {**sides, "class": style, **({"fill": fill} if fill else {})})

    def mark(self, kind: str, x: float, y: float) -> None:
        """A dot is measured, a ring provisional, a rhombus projected, a square a target."""
        if kind in ("measured", "provisional"):
            style = "mark" if kind == "measured" else "mark hollow"
            SubElement(self._root, "circle", {"cx": _number(x), "cy": _number(y), "r": _number(RADIUS), "class": style})
        elif kind == "projected":
            far = RADIUS + 1.5
            corners = ((x, y - far), (x + far, y), (x, y + far), (x - far, y))
            joined = " ".join(f"{_number(a)},{_number(b)}" for a, b in corners)
            SubElement(self._root, "polygon", {"points": joined, "class": "mark hollow"})
        else:
            self.rect(x - RADIUS + 0.5, y - RADIUS + 0.5, 2 * RADIUS - 1, 2 * RADIUS - 1, "target-mark")

    def column(self, x: float, y: float, width: float, height: float, kind: int) -> None:
        """A piece of a column in the pattern of its series, with an edge of its colour."""
        style, fill = ("solid", "") if kind == 0 else ("", f"url(#{self._key}-{_FILLS[kind]})")
        self.rect(x, y, width, height, style, fill)
        # Inside the piece, so that two of them are kept apart by a hair of ground.
        if width > 2 and height > 2:
            self.rect(x + 0.75, y + 0.75, width - 1.5, height - 1.5, f"edge edge-{kind}")

    def patterns(self) -> None:
        defs = SubElement(self._root, "defs")
        for name, size in (("hatched", "6"), ("dotted", "7")):
            shared = {"id": f"{self._key}-{name}", "width": size, "height": size, "patternUnits": "userSpaceOnUse"}
            turned = {"patternTransform": "rotate(45)"} if name == "hatched" else {}
            pattern = SubElement(defs, "pattern", {**shared, **turned})
            SubElement(pattern, "rect", {"width": size, "height": size, "class": "ground"})
            if name == "hatched":
                SubElement(pattern, "line", {"x1": "1.5", "y1": "0", "x2": "1.5", "y2": size, "class": "hatch"})
            else:
                SubElement(pattern, "circle", {"cx": "3.5", "cy": "3.5", "r": "1.3", "class": "dots"})

    def grid(self, scale: Scale, plot: Box, unit: str) -> list[Box]:
        """A line and its value for each tick; gives where the values stand."""
        taken = []
        for tick in scale.ticks:
            y = plot.bottom - scale.share(tick) * (plot.bottom - plot.top)
            self.line(plot.left, y, plot.right, y, "axis" if tick == scale.low else "grid")
            label, right, half = _plain(tick) + unit, plot.left - self.font * 0.5, self.font * LINE_EM / 2
            taken.append(Box(right - text_width(label, self.font), y - half, right, y + half))
            self.text(right, y + self.font * 0.35, label, "quiet", anchor="end")
        return taken

    def legend(self, entries: Sequence[tuple[str, str]], swatch: "_Swatch") -> float:
        """In as many lines as it takes; gives where it ends."""
        swatch_width, gap = self.font * 2.4, self.font * 1.2
        x, y = 0.0, self.font
        for kind, name in entries:
            wide = swatch_width + self.font * 0.5 + text_width(name, self.font)
            if x and x + wide > self.width:
                x, y = 0.0, y + self.font * 1.6
            swatch(self, kind, x, y - self.font * 0.35, swatch_width)
            self.text(x + swatch_width + self.font * 0.5, y, name)
            x += wide + gap
        return y


class _Swatch(Protocol):
    """Draws what an entry of a legend stands for, centred on `y`."""

    def __call__(self, canvas: _Canvas, kind: str, x: float, y: float, width: float) -> None: ...


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
