"""What all printed pages share."""

from service.files.pages import css_string, pages_of


def test_a_name_cannot_leave_its_string_in_css() -> None:
    assert css_string("南开区 2025-Q1") == "南开区 2025-Q1"
    assert css_string('a"} b\\') == "a\\000022\\00007d b\\00005c"
    assert css_string("</style>") == "\\00003c\\00002fstyle\\00003e"


def test_amounts_are_grouped_with_a_true_minus_sign() -> None:
    template = pages_of("service.settlement").from_string(
        "{{ 1234567 | grouped }} {{ -1234 | grouped }} {{ '-1' | minus }}"
    )
    assert template.render() == "1,234,567 −1,234 −1"
