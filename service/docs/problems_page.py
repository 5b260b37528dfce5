"""The page that `type` of every problem points into: each code, what it means and what to do."""

from collections.abc import Iterable
from html import escape
from itertools import groupby

from schemas.outcome_codes import OutcomeCode
from service.problem_kinds import ProblemKind

STYLE = """
:root { color-scheme: light dark; --line: #8885; --code: #8882; }
body { font: 16px/1.55 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif;
       max-width: 52rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.3; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 0; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
article { padding: .9rem 0 .6rem; border-bottom: 1px solid var(--line); }
article:target { background: var(--code); box-shadow: 0 0 0 .5rem var(--code); }
h3 { font-size: 1rem; margin: 0; font-weight: 600; }
h3 a { color: inherit; text-decoration: none; }
code { font: .92em ui-monospace, Menlo, Consolas, monospace; background: var(--code); padding: .1em .35em;
       border-radius: .25em; }
p { margin: .35rem 0; }
"""

HEAD = f"""\
<!doctype html>
<html lang="zh">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>碳币 API 错误代码 · Problems</title>
<style>{STYLE}</style>
</head>
<body>
<h1>错误代码 <span lang="en">Problems of the Tanbi API</span></h1>
<p>错误响应采用 <code>application/problem+json</code>（RFC 9457）。请依据 <code>code</code> 判断，
不要依据 <code>title</code> 或 <code>detail</code>。接口文档见 <a href="/docs">/docs</a>。</p>
<p lang="en">Errors are answered as <code>application/problem+json</code> (RFC 9457). Decide by <code>code</code>,
never by <code>title</code> or <code>detail</code>. The API is described at <a href="/docs">/docs</a>.</p>
"""

OF_EVENTS = """\
<h2>称重事件的结果 <span lang="en">Outcomes of single weigh events</span></h2>
<p>整个请求成功（200），其中某个事件未入账时，结果中的 <code>code</code> 说明原因。</p>
<p lang="en">The request as a whole was answered with 200; <code>code</code> says why an event was not credited.</p>
"""


def problems_page(kinds: Iterable[ProblemKind]) -> bytes:
    """HTML in UTF-8, without scripts; each code is the id of its own element. `kinds` are sorted by status."""
    parts = [HEAD]
    for status, of_status in groupby(kinds, key=lambda kind: kind.status):
        parts.append(f"<h2>{status}</h2>\n")
        parts.extend(_article(kind.code, kind.title, kind.title_zh, kind.meaning) for kind in of_status)
    parts.append(OF_EVENTS)
    parts.extend(_article(code.value, code.label, code.label_zh, code.meaning, code.outcome) for code in OutcomeCode)
    parts.append("</body>\n</html>\n")
    return "".join(parts).encode()


def _article(code: str, title: str, title_zh: str, meaning: str, outcome: str = "") -> str:
    of = f" · <code>{escape(outcome)}</code>" if outcome else ""
    return (
        f'<article id="{escape(code)}"><h3><a href="#{escape(code)}"><code>{escape(code)}</code></a>{of}</h3>\n'
        f'<p>{escape(title_zh)} · <span lang="en">{escape(title)}</span></p>\n'
        f'<p lang="en">{_text(meaning)}</p></article>\n'
    )


def _text(meaning: str) -> str:
    """Backquotes of a docstring become code."""
    pieces = escape(meaning, quote=False).split("`")
    return "".join(f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces))
