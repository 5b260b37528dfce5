"""Pages to print: Chinese, on A4, with nothing from any other host; `templates/paper.css` is how they look."""

from typing import Final

import jinja2

HTML_TYPE: Final = "text/html"


def pages_of(package: str) -> jinja2.Environment:
    """The templates of a feature, which may include those beside this module."""
    pages = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("service.files")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    # Groups of three, and a true minus sign.
    pages.filters["grouped"] = lambda number: f"{number:,}".replace("-", "−")
    pages.filters["minus"] = lambda amount: amount.replace("-", "−")
    pages.filters["css"] = css_string
    return pages


def css_string(text: str) -> str:
    """`text` inside the quotes of a string in CSS, where what HTML escapes is not read back."""
    # Letters, digits, blanks and hyphens alone are left: nothing else can end the string, or the style sheet.
    return "".join(each if each.isalnum() or each in " -" else f"\\{ord(each):06x}" for each in text)
