"""The document as OpenAPI 3.0 would have it, for a viewer that knows no newer one."""

from typing import Any

Json = dict[str, Any]

VERSION = "3.0.3"


def as_openapi30(document: Json) -> Json:
    """A copy that says the same where 3.0 has words for it; what it has no words for is left out.

    `document` is the OpenAPI 3.1 of service/openapi.py: null stands in an anyOf only, beside a $ref only narrower
    properties, and examples of a schema are lists.
    """
    copied: Json = _copied(document)
    copied["openapi"] = VERSION
    return copied


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return {"$ref": value["$ref"]}
    # What people wrote as an example is data, whatever its members are called.
    copied = {name: item if name in ("value", "default") else _copied(item) for name, item in value.items()}
    if "const" in copied and not isinstance(copied["const"], dict):
        copied["enum"] = [copied.pop("const")]
    if isinstance(copied.get("examples"), list):
        copied["example"] = copied.pop("examples")[0]
    choices = copied.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        copied |= _nullable(copied.pop("anyOf"))
    return copied


def _nullable(choices: list[Json]) -> Json:
    given = [choice for choice in choices if choice != {"type": "null"}]
    if len(given) == 1 and "$ref" not in given[0]:
        return {**given[0], "nullable": True}
    # Nothing may stand beside a $ref in 3.0, so it stands in a list of one.
    return {"nullable": True, "allOf" if len(given) == 1 else "anyOf": given}
