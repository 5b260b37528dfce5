"""The public page as HTML, without a browser: whole in both languages, nothing from outside, nothing that runs."""

import re
import string
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from service.indicator.formula_words import OF_FORMULA, OF_QUANTITY
from service.indicator.formulas import FORMER, FORMULAS, QUANTITIES
from service.indicator.public_page import (
    LICENSE_URL,
    POLICY,
    STYLE,
    Download,
    MonthMasses,
    PublicFigures,
    TargetStep,
    Volume,
    apart,
    path_rows,
    public_page,
    stacked,
    target_in,
)
from service.indicator.public_words import (
    EN,
    WORDS,
    ZH,
    Language,
    Named,
    mass_text,
    month_tick,
    months_text,
    period_text,
    points_text,
    size_text,
)
from tests.indicator.public_figures import EMPTY, FIRST_YEAR, FULL, corrected

HAN = re.compile(r"[\u4e00-\u9fff]")
VOID = {"meta", "link", "br", "img", "hr", "input"}
languages = pytest.mark.parametrize("language", ["zh", "en"])
states = pytest.mark.parametrize("figures", [FULL, FIRST_YEAR, EMPTY], ids=["full", "first-year", "empty"])


class Page(HTMLParser):
    """What a browser reads: elements in order, with what is around each, and the text that is shown."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.text: list[tuple[str, str | None]] = []
        self._langs: list[str | None] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(self.open)))
        assert len(attrs) == len(dict(attrs)), f"an attribute twice in <{tag}>"
        if tag not in VOID:
            self.open.append(tag)
            self._langs.append(dict(attrs).get("lang") or (self._langs[-1] if self._langs else None))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), tuple(self.open)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._langs.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and "style" not in self.open:
            self.text.append((data.strip(), self._langs[-1] if self._langs else None))

    def all(self, *tags: str) -> list[tuple[str, dict[str, str | None], tuple[str, ...]]]:
        return [each for each in self.elements if each[0] in tags]

    def said(self) -> str:
        return "\n".join(text for text, _ in self.text)


@languages
@states
def test_elements_nest_and_ids_are_unique(figures: PublicFigures, language: Language) -> None:
    page = Page(public_page(figures, language))
    assert page.open == []
    ids = [attributes["id"] for _, attributes, _ in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    named = [
        reference
        for _, attributes, _ in page.elements
        for name in ("aria-labelledby", "aria-describedby")
        for reference in (attributes.get(name) or "").split()
    ]
    assert set(named) <= set(ids)


@languages
@states
def test_nothing_runs_and_nothing_comes_from_elsewhere(figures: PublicFigures, language: Language) -> None:
    source = public_page(figures, language)
    page = Page(source)
    assert not page.all("script", "iframe", "object", "embed", "form", "base", "img", "foreignobject")
    for _, attributes, _ in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "srcset")]
        # The licence is named by its address, which nobody follows but who clicks.
        away = (attributes.get("href") or "").startswith(("http", "//", "javascript", "data"))
        assert not away or (attributes["rel"], attributes["href"]) == ("license", LICENSE_URL)
    # And the name of SVG, which nobody fetches.
    assert set(re.findall(r"https?://[^\"' ]*", source)) <= {"http://www.w3.org/2000/svg", LICENSE_URL}
    assert "@import" not in STYLE
    assert "url(" not in STYLE


def test_the_policy_lets_in_the_page_s_own_style_and_nothing_else() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", public_page(FULL, "zh"), re.DOTALL)
    assert style == STYLE
    rules = dict(rule.strip().split(" ", 1) for rule in POLICY.split(";"))
    del rules["style-src"]
    # The data: images are none today; a logo would be one.
    assert rules == {
        "default-src": "'none'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "unsafe" not in POLICY
    # By the name of the digest; that it is this one, the browser says (test_public_page_in_chromium.py).
    assert "style-src 'sha256-" in POLICY


@languages
@states
def test_headings_go_down_one_level_at_a_time(figures: PublicFigures, language: Language) -> None:
    levels = [int(tag[1]) for tag, _, _ in Page(public_page(figures, language)).all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@languages
@states
def test_each_part_has_its_landmark_and_each_table_its_caption_and_heads(
    figures: PublicFigures, language: Language
) -> None:
    page = Page(public_page(figures, language))
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1
    assert all(attributes.get("aria-labelledby") for _, attributes, _ in page.all("section"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(attributes.get("scope") in ("col", "row") for _, attributes, _ in page.all("th"))
    skip = page.all("a")[0][1]
    assert skip["class"] == "skip"
    assert skip["href"] == "#content"


@languages
def test_each_chart_stands_beside_a_table(language: Language) -> None:
    source = public_page(FULL, language)
    # Between a chart and the next heading or chart.
    after = source.split("</figure>")[1:]
    assert len(after) == 4
    assert all("<table>" in re.split(r"<h[1-6]|<figure", each)[0] for each in after)


@states
def test_the_english_page_is_in_english(figures: PublicFigures) -> None:
    page = Page(public_page(figures, "en"))
    assert page.elements[0][1]["lang"] == "en"
    assert [text for text, lang in page.text if HAN.search(text) and lang == "en"] == []
    assert ("中文", "zh-CN") in page.text


@states
def test_the_chinese_page_is_in_chinese(figures: PublicFigures) -> None:
    page = Page(public_page(figures, "zh"))
    assert page.elements[0][1]["lang"] == "zh-CN"
    words = {word for text, lang in page.text if lang == "zh-CN" for word in re.findall(r"[A-Za-z]{3,}", text)}
    # Names of formulas, formats and licences are the same everywhere.
    assert words <= {"cleared", "plus", "recovered", "SHA", "JSON", "CSV"} | set(
        re.findall("[a-f]+", f"{FULL.history[0].digest} {FULL.history[0].public_digest}")
    )


def test_every_text_is_there_in_both_languages_and_takes_the_same_figures() -> None:
    for each in fields(ZH):
        texts = [getattr(words, each.name) for words in (ZH, EN)]
        assert all(texts), each.name
        if isinstance(texts[0], tuple):
            assert len(texts[0]) == len(texts[1])
            continue
        braces = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts]
        assert braces[0] == braces[1], each.name
    same = {each.name for each in fields(ZH) if getattr(ZH, each.name) == getattr(EN, each.name)}
    assert same == set()


@languages
def test_every_word_is_used(language: Language) -> None:
    """With a mark in each text: what is nowhere on any page is dead."""
    marked = {
        each.name: f"⟦{each.name}⟧{value}"
        for each in fields(ZH)
        if isinstance(value := getattr(WORDS[language], each.name), str) and each.name != "language"
    }
    words = replace(WORDS[language], **marked)  # type: ignore[arg-type]
    short = corrected("34.00")
    seen = set()
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(WORDS, language, words)
        enough = replace(FULL, so_far=replace(FULL.so_far, needed_grams=0)) if FULL.so_far else FULL
        complete = replace(FULL, coverage=replace(FULL.coverage, missing=())) if FULL.coverage else FULL
        for figures in (
            replace(FULL, sample=True),
            FULL,
            FIRST_YEAR,
            EMPTY,
            enough,
            complete,
            replace(FULL, published=short),
        ):
            seen |= set(re.findall(r"⟦(\w+)⟧", public_page(figures, language)))
    assert set(marked) - seen == set()


@languages
def test_of_a_year_with_two_figures_the_one_by_the_pages_formula_is_drawn(language: Language) -> None:
    other = replace(FULL.history[0], number="6", percent=Decimal("12.34"), formula_id="us.epa1997")
    for history in ([other, *FULL.history], [*FULL.history, other]):
        # In the table of what was published, and nowhere else.
        assert public_page(replace(FULL, history=history), language).count("12.34") == 1


@languages
def test_the_headline_says_the_figure_its_meaning_and_its_target(language: Language) -> None:
    said = Page(public_page(FULL, language)).said()
    assert "36.74%" in said
    expected = {
        "zh": (
            "约有 36.7 千克",
            "达到 2025 年目标（35%），高出 1.74 个百分点",
            "第 4 号发布（原为 36.42%），相差 +0.32",
        ),
        "en": ("about 36.7 kg", "2025 (35%) is met, with 1.74", "publication 4 (which said 36.42%) by +0.32"),
    }
    assert [text for text in expected[language] if text not in said] == []
    assert FULL.history[0].digest in said
    assert FULL.history[0].public_digest is not None
    assert FULL.history[0].public_digest in said
    assert {"zh": "暂算", "en": "provisional"}[language] in said
    assert "2,413.7" in said


def test_a_figure_below_its_target_says_how_far() -> None:
    below = replace(FULL, published=corrected("33.50"))
    assert "距 2025 年目标（35%）还差 1.50 个百分点。" in Page(public_page(below, "zh")).said()
    lower = replace(FULL, published=corrected("36.00"))
    assert "相差 −0.42 个百分点" in Page(public_page(lower, "zh")).said()


@languages
def test_nothing_published_is_said_in_words(language: Language) -> None:
    words = WORDS[language]
    said = Page(public_page(EMPTY, language)).said()
    no_volumes = words.no_volumes.format(days=35)
    for text in (words.nothing_published, words.nothing_published_why, no_volumes, words.history_empty):
        assert text in said
    assert "<svg" not in public_page(EMPTY, language)


@languages
def test_a_missing_rate_has_its_reason(language: Language) -> None:
    assert FIRST_YEAR.so_far is not None
    assert FIRST_YEAR.so_far.reason is not None
    said = Page(public_page(FIRST_YEAR, language)).said()
    assert WORDS[language].no_rate in said
    assert FIRST_YEAR.so_far.reason.of(language) in said
    assert "None" not in said


@languages
def test_no_name_can_become_markup(language: Language) -> None:
    evil = Named("\"><script>alert('名')</script>", "\"><script>alert('name')</script>")
    assert FULL.volumes is not None
    assert FULL.so_far is not None
    assert FULL.coverage is not None
    figures = replace(
        FULL,
        area=evil,
        published=replace(FULL.history[0], number=evil.en, digest=evil.en, restates=evil.en),
        history=(replace(FULL.history[0], number=evil.en, superseded_by=evil.en),),
        so_far=replace(FULL.so_far, percent=None, reason=evil),
        volumes=replace(
            FULL.volumes,
            by_material=(Volume(evil, 5),),
            by_subdistrict=(replace(FULL.volumes.by_subdistrict[0], name=evil, communities=(Volume(evil, 5),)),),
        ),
        coverage=replace(FULL.coverage, missing=(evil,)),
        area_id=evil.en,
        formula=evil,
        downloads=(Download(evil.en, evil, 5),),
    )
    source = public_page(figures, language)
    assert "<script" not in source
    assert source.count("&lt;script&gt;") >= 15


@languages
def test_what_is_not_shown_separately_makes_the_sum_whole(language: Language) -> None:
    assert FULL.volumes is not None
    said = Page(public_page(FULL, language)).said()
    first = FULL.volumes.by_subdistrict[0]
    assert apart(first.grams, [each.grams for each in first.communities]) == 7_300_000
    assert f"{WORDS[language].apart}\n{mass_text(7_300_000, language)}" in said
    # A subdistrict that is hidden one level up has no figure, and none of its communities has.
    hidden = FULL.volumes.by_subdistrict[8]
    assert hidden.grams is None
    assert f"{hidden.name.of(language)}\n{WORDS[language].not_shown}" in said


def test_the_running_year_is_beside_the_published_ones() -> None:
    rows = {row.year: row for row in path_rows(FULL)}
    assert sorted(rows) == [2023, 2024, 2025, 2026, 2027, 2035]
    # The restatement stands, not what it corrects.
    assert (rows[2025].percent, rows[2025].provisional) == (Decimal("36.74"), False)
    assert (rows[2026].percent, rows[2026].projected_percent) == (Decimal("37.02"), Decimal("37.35"))
    assert rows[2026].provisional
    assert (rows[2027].percent, rows[2027].target_percent) == (None, Decimal("38.5"))
    assert FULL.so_far is not None
    early = replace(FULL, so_far=replace(FULL.so_far, year=2025))
    assert not {row.year: row for row in path_rows(early)}[2025].provisional


def test_targets_are_straight_between_their_years() -> None:
    path = FULL.target_path
    targets = {year: target_in(path, year) for year in (2024, 2025, 2026, 2027, 2031, 2035, 2036)}
    assert targets == {
        2024: None,
        2025: Decimal(35),
        2026: Decimal("36.75"),
        2027: Decimal("38.5"),
        2031: Decimal("44.25"),
        2035: Decimal(50),
        2036: None,
    }
    assert target_in((TargetStep(2025, Decimal(35)),), 2025) == Decimal(35)
    assert target_in((), 2025) is None


@pytest.mark.parametrize(
    ("period", "zh", "en"),
    [
        ("2025", "2025 年", "2025"),
        ("2025-Q1", "2025 年第 1 季度", "Q1 2025"),
        ("2025-03", "2025 年 3 月", "March 2025"),
        ("2025-01/2025-06", "2025 年 1–6 月", "January to June 2025"),
        ("2026-ytd", "2026 年以来", "2026 so far"),
        ("2025-13", "2025-13", "2025-13"),
        ("2025-01/2026-06", "2025-01/2026-06", "2025-01/2026-06"),
    ],
)
def test_periods_are_said_in_words(period: str, zh: str, en: str) -> None:
    assert (period_text(period, "zh"), period_text(period, "en")) == (zh, en)


def test_numbers_are_said_as_people_write_them() -> None:
    assert mass_text(1_234_567_890, "zh") == "1,234.6 吨"
    assert mass_text(999_949, "en") == "999.9 kg"
    assert mass_text(0, "zh") == "0.0 千克"
    # Half to even.
    assert mass_text(1_250_000, "en") == "1.2 t"
    assert points_text(Decimal("-0.42")) == "−0.42"
    assert [size_text(size) for size in (999, 48_211, 1_204_882)] == ["999 B", "48.2 kB", "1.2 MB"]
    assert months_text(["2026-03"], "zh") == "2026 年 3 月"
    assert months_text(["2026-01", "2026-02", "2026-03"], "en") == "January to March 2026"
    assert [month_tick("2026-09", language) for language in ("zh", "en")] == ["9月", "Sep"]


def test_kitchen_waste_is_stacked_once() -> None:
    """What was cleared holds it; where it is not known, or more than was cleared, the rest is not known."""
    assert stacked(MonthMasses("2026-01", 5, 30, 100)) == (5, 30, 70)
    assert stacked(MonthMasses("2026-01", 5, 100, 100)) == (5, 100, 0)
    for kitchen, cleared in ((None, 100), (30, None), (101, 100)):
        assert stacked(MonthMasses("2026-01", 5, kitchen, cleared)) == (5, kitchen, None)
    source = public_page(FULL, "zh")
    assert "其余清运 C − K" in source
    assert "C 24,730.0 吨" in source


def test_each_formula_and_each_of_its_masses_is_said_in_words() -> None:
    assert set(OF_FORMULA) == {each.id for each in (*FORMULAS.values(), *FORMER)}
    assert set(OF_QUANTITY) == set(QUANTITIES)
    for quantity in QUANTITIES.values():
        for said in (OF_QUANTITY[quantity.id].zh, OF_QUANTITY[quantity.id].en):
            assert said.startswith(quantity.symbol)
    for each in OF_FORMULA.values():
        for meaning in (each.meaning.zh, each.meaning.en):
            assert {name for _, name, _, _ in string.Formatter().parse(meaning) if name} == {"area", "period", "kg"}


@languages
def test_the_method_is_that_of_the_formula(language: Language) -> None:
    epa = replace(FULL, formula_id="us.epa1997", quantities=FORMULAS["us.epa1997"].needs)
    said = Page(public_page(epa, language)).said()
    for quantity in FORMULAS["us.epa1997"].needs:
        assert OF_QUANTITY[quantity].of(language) in said
    assert OF_QUANTITY["kitchen_treated"].of(language) not in said
    assert OF_FORMULA["us.epa1997"].what.of(language) in said


@languages
def test_a_demonstration_says_that_nothing_of_it_is_real(language: Language) -> None:
    words = WORDS[language].sample.format(area=FULL.area.of(language))
    assert words in Page(public_page(replace(FULL, sample=True), language)).said()
    assert words not in Page(public_page(FULL, language)).said()


def test_small_amounts_are_shown_in_kilograms() -> None:
    small = replace(EMPTY, months=(MonthMasses("2026-01", 5_000, None, 20_000),), made_on=date(2026, 3, 1))
    source = public_page(small, "zh")
    assert ">千克</text>" in source
    assert "R 5.0 千克" in source
    assert "各月的量（千克）" in source
    assert "K 未报送" in source
