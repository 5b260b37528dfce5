"""The public page as a citizen sees it: on a phone, on a desktop, in the dark, on paper, and read aloud."""

import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route

from service.indicator.public_page import POLICY, PublicFigures, public_page
from service.indicator.public_words import WORDS, Language, Named
from tests import chromium
from tests.indicator.public_figures import EMPTY, FIRST_YEAR, FULL

MISSING = chromium.missing()
# In CI a missing program is an error of its set-up, which the first test then shows.
pytestmark = [
    pytest.mark.skipif(MISSING is not None and os.environ.get("CI") != "true", reason=str(MISSING)),
    pytest.mark.asyncio(loop_scope="module"),
]

URL = "http://tanbi.test/public/recycling-rate"
SIZES = ((320, 568), (390, 844), (768, 1024), (1280, 800))
# WCAG 2.2, 1.4.3 and 1.4.11.
CONTRAST_OF_TEXT, CONTRAST_OF_SHAPES = 4.5, 3.0
languages = pytest.mark.parametrize("language", ["zh", "en"])

# Elements with something in them that is wider than the screen, or than themselves.
CUT = """
[...document.querySelectorAll('body, body *:not(svg *):not(.skip)')]
  .filter(each => each.scrollWidth > each.clientWidth + 1 && !getComputedStyle(each).display.match('inline|none')
                  || each.getBoundingClientRect().right > innerWidth + .5)
  .map(each => `${each.tagName} ${each.textContent.trim().slice(0, 20)}`)
"""
# In charts that are shown: labels that cover each other or leave the drawing, and those too small to read.
LABELS = """
[...document.querySelectorAll('.chart svg')].filter(svg => svg.getBoundingClientRect().width).flatMap(svg => {
  const box = svg.getBoundingClientRect(), found = [];
  const texts = [...svg.querySelectorAll('text')].filter(text => text.textContent.trim());
  const boxes = texts.map(text => text.getBoundingClientRect());
  const scale = box.width / svg.viewBox.baseVal.width;
  if (parseFloat(getComputedStyle(svg).fontSize) * scale < 11) found.push(`small: ${scale}`);
  boxes.forEach((a, i) => {
    if (a.left < box.left - 1 || a.right > box.right + 1 || a.bottom > box.bottom + 1)
      found.push('cut: ' + texts[i].textContent);
    // Of a line, the letters themselves take less than its height.
    boxes.slice(i + 1).forEach((b, j) => {
      const high = a.height * .2;
      if (a.left < b.right && b.left < a.right && a.top + high < b.bottom - high && b.top + high < a.bottom - high)
        found.push(`${texts[i].textContent} covers ${texts[i + 1 + j].textContent}`);
    });
  });
  return found;
})
"""
# The least contrast of each pair of colours that meet, with an example; by WCAG's relative luminance.
CONTRASTS = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const known = {}, draw = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const rgba = colour => known[colour] ??= draw(colour);
  const luminance = colour => { const [r, g, b] = rgba(colour).slice(0, 3).map(part => {
    part /= 255; return part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = each => { for (; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor; if (rgba(colour)[3] == 255) return colour; }
    return 'white'; };
  const ratio = (one, other) => { const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + .05) / (low + .05); };
  const found = {text: [], shapes: []};
  for (const each of document.querySelectorAll('body *')) {
    const style = getComputedStyle(each), svg = each instanceof SVGElement;
    const shown = [...each.childNodes].some(node => node.nodeType == 3 && node.textContent.trim());
    if (shown && !['title', 'desc'].includes(each.tagName))
      found.text.push([ratio(svg ? style.fill : style.color, behind(each)), each.textContent.trim().slice(0, 30)]);
    const kind = svg && each.getAttribute('class') || '';
    if (/\\b(rate|target|mark|target-mark|bar|solid|hatch|dots|edge)\\b/.test(kind))
      found.shapes.push([ratio(style.stroke == 'none' ? style.fill : style.stroke, behind(each)), kind]);
  }
  return found;
})()
"""


FOCUSED = """
(() => { const at = document.activeElement, box = at.getBoundingClientRect();
  return {tag: at.tagName, text: at.textContent.trim().slice(0, 12), outline: getComputedStyle(at).outlineStyle,
          shown: box.width > 0 && box.left >= 0 && box.right <= innerWidth}; })()
"""
HIDDEN_TABLES = """
[...document.querySelectorAll('table')].filter(each => !each.checkVisibility({contentVisibilityAuto: true})).length
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests: starting it takes longer than they do."""
    assert MISSING is None, MISSING
    async with chromium.browser() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def tab(browser: Browser) -> AsyncIterator[Page]:
    """A tab that complains of whatever a browser complains of."""
    complaints: list[str] = []
    page = await chromium.open_tab(browser)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await page.close()
    assert complaints == []


async def show(tab: Page, figures: PublicFigures, language: Language) -> list[str]:
    """Open the page as the service sends it; gives what it asks for, as it does."""
    asked: list[str] = []

    async def answer(route: Route) -> None:
        asked.append(route.request.url)
        await route.fulfill(
            body=public_page(figures, language),
            headers={"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY},
        )

    await tab.route("**/*", answer)
    await tab.goto(URL)
    return asked


@languages
@pytest.mark.parametrize("figures", [FULL, FIRST_YEAR, EMPTY], ids=["full", "first-year", "empty"])
async def test_nothing_is_cut_or_covered_from_a_phone_to_a_desktop(
    tab: Page, figures: PublicFigures, language: Language
) -> None:
    asked = await show(tab, figures, language)
    for opened in (False, True):
        if opened:
            await tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        for width, height in SIZES:
            await tab.set_viewport_size({"width": width, "height": height})
            assert await tab.evaluate("document.documentElement.scrollWidth") == width
            assert await tab.evaluate(CUT) == []
            assert await tab.evaluate(LABELS) == []
    assert asked == [URL]


async def test_each_chart_is_shown_once_in_the_layout_of_its_screen(tab: Page) -> None:
    await show(tab, FULL, "zh")
    for width, layout in ((390, "narrow"), (1280, "wide")):
        await tab.set_viewport_size({"width": width, "height": 800})
        shown = await tab.eval_on_selector_all(
            ".chart svg",
            "all => all.filter(each => each.getBoundingClientRect().width).map(each => each.classList[0])",
        )
        assert shown == [layout] * 4


async def test_the_policy_lets_the_style_in(tab: Page) -> None:
    await show(tab, FULL, "zh")
    # As the style sheet says, and no browser by itself.
    assert await tab.evaluate("getComputedStyle(document.body).marginTop") == "0px"
    assert await tab.evaluate("document.styleSheets.length") == 1


async def test_chinese_is_drawn_with_a_font_that_has_it(tab: Page) -> None:
    await show(tab, FULL, "zh")
    for selector in ("h1", "#published + .big + p", ".chart .narrow text"):
        assert await chromium.fonts_of(tab, selector) <= chromium.chinese_fonts()


@languages
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_and_charts_stand_out_from_what_is_behind_them(tab: Page, scheme: Any, language: Language) -> None:
    await tab.emulate_media(color_scheme=scheme)
    await show(tab, FULL, language)
    found = await tab.evaluate(CONTRASTS)
    assert min(found["text"]) >= [CONTRAST_OF_TEXT]
    assert min(found["shapes"]) >= [CONTRAST_OF_SHAPES]
    assert len(found["text"]) > 100
    assert len(found["shapes"]) > 50


@languages
async def test_a_screen_reader_hears_headings_charts_with_figures_and_tables(tab: Page, language: Language) -> None:
    await show(tab, FULL, language)
    words = WORDS[language]
    session = await tab.context.new_cdp_session(tab)
    tree = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    nodes: dict[str, list[tuple[str, str]]] = {}
    for node in tree:
        if not node["ignored"]:
            said = (node.get("name", {}).get("value", ""), node.get("description", {}).get("value", ""))
            nodes.setdefault(node["role"]["value"], []).append(said)
    images = nodes.get("image", []) + nodes.get("img", [])
    assert len(images) == 4
    titles = {name for name, _ in images}
    assert words.path_title.format(area=FULL.area.of(language), indicator=words.indicator) in titles
    assert all(re.search(r"\d", description) for _, description in images)
    path = next(description for name, description in images if FULL.area.of(language) in name)
    for figure in ("31.95%", "34.08%", "36.74%", "37.02%", "37.35%", "35%", "38.5%", "50%"):
        assert figure in path
    for landmark in ("banner", "main", "contentinfo", "navigation"):
        assert len(nodes[landmark]) == 1
    # Parts of the page are regions with the name of their heading.
    assert {name for name, _ in nodes["region"]} >= {words.path, words.volumes, words.method, words.history, words.data}
    assert all(name for name, _ in nodes["heading"] + nodes["link"])


async def test_the_keyboard_reaches_everything_and_shows_where_it_is(tab: Page) -> None:
    await show(tab, FULL, "zh")
    stops = []
    for _ in range(60):
        await tab.keyboard.press("Tab")
        at = await tab.evaluate(FOCUSED)
        if at["tag"] == "BODY":
            break
        assert at["shown"], at
        assert at["outline"] != "none", at
        stops.append((at["tag"], at["text"]))
    assert stops[0] == ("A", "跳到正文")
    assert stops[1] == ("A", "English")
    reachable = await tab.evaluate("document.querySelectorAll('a, summary').length")
    assert len(stops) == reachable
    await tab.reload()
    await tab.keyboard.press("Tab")
    await tab.keyboard.press("Enter")
    assert await tab.evaluate("document.activeElement.id") == "content"


@languages
async def test_paper_shows_every_table_and_cuts_nothing(tab: Page, language: Language) -> None:
    await show(tab, FULL, language)
    await tab.emulate_media(media="print")
    # A4 without its margins, at 96 pixels an inch.
    await tab.set_viewport_size({"width": round((210 - 30) / 25.4 * 96), "height": 1000})
    assert await tab.evaluate(CUT) == []
    assert await tab.evaluate(LABELS) == []
    assert await tab.evaluate(HIDDEN_TABLES) == 0
    assert await tab.evaluate("document.querySelectorAll('table').length") == 16
    pdf = await tab.pdf(prefer_css_page_size=True)
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12


async def test_without_colours_of_its_own_the_charts_are_still_there(tab: Page) -> None:
    """A reader's own colours (forced colours) leave the patterns and lines, in a colour that is not the ground's."""
    await tab.emulate_media(forced_colors="active")
    await show(tab, FULL, "zh")
    found = await tab.evaluate(CONTRASTS)
    assert min(found["shapes"]) >= [CONTRAST_OF_SHAPES]
    assert min(found["text"]) >= [CONTRAST_OF_TEXT]


async def test_a_name_that_is_markup_does_nothing(tab: Page) -> None:
    evil = Named("</title><script>console.log('ran')</script>", "</title><script>console.log('ran')</script>")
    await show(tab, replace(FULL, area=evil, formula=evil), "zh")
    assert "console.log" in await tab.inner_text("h1")
