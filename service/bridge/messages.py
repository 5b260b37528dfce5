"""From a message to the request that its bin signed, and from the service's answer to a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pydantic_core
from aiohttp import hdrs
from aiomqtt import Message
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from schemas.signatures import HEADER_BYTES_MAX, SignatureMalformed
from service.auth import SIGNATURE_FIELDS
from service.bridge.topics import Origin
from service.errors import BodyTooLarge, SignatureRefused, SourceMismatch, TanbiError, UnsupportedMediaType
from service.problems import PROBLEM_CONTENT_TYPE, problem_document
from service.routing import JSON_CONTENT_TYPE

CONTENT_TYPE_CHARACTERS_MAX: Final = 255
# Of an answer's head, what tells a bin when to come again and what time it is.
TOLD_FIELDS: Final = (hdrs.RETRY_AFTER, hdrs.DATE)
FINAL_TYPES: Final = {2: JSON_CONTENT_TYPE, 4: PROBLEM_CONTENT_TYPE}
# Of 4xx, what the same bytes may survive: too slow, and too many.
TRY_AGAIN: Final = frozenset({408, 429})


@dataclass(frozen=True, slots=True)
class Request:
    """What a bin would have posted to `path`."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered; of its head, `headers` has TOLD_FIELDS as far as they were there."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether the service has decided: what anything between here and there says in its place is no decision."""
        return self.status not in TRY_AGAIN and FINAL_TYPES.get(self.status // 100) == self.content_type

    @property
    def retry_after_seconds(self) -> float:
        """0 where nothing was asked for."""
        value = self.headers.get(hdrs.RETRY_AFTER, "")
        return float(value) if value.isdecimal() else 0.0


def problem_answer(error: TanbiError) -> Answer:
    """An answer of the bridge's own, in the form that the service would have given it."""
    body = pydantic_core.to_json(problem_document(error))
    return Answer(error.status, PROBLEM_CONTENT_TYPE, body, error.headers)


def request_of(message: Message, origin: Origin, *, body_bytes_max: int) -> Request:
    """Raises what the service would answer to that which cannot be sent on: BodyTooLarge, SignatureRefused or
    UnsupportedMediaType; and SourceMismatch for an event that names another bin than the topic does."""
    body = bytes(message.payload)
    if len(body) > body_bytes_max:
        raise BodyTooLarge
    _check_source(body, f"/bins/{origin.bin_id}")
    return Request(origin.path, {**_signature_fields(message), hdrs.CONTENT_TYPE: _content_type(message)}, body)


def _check_source(body: bytes, source: str) -> None:
    """The service holds the source against the signer, so the topic is the signer's own too: outcomes, which tell
    balances, go to the topics of the bin that signed."""
    try:
        document = pydantic_core.from_json(body)
    except ValueError:
        return  # the service says what is wrong with it
    for event in document if isinstance(document, list) else [document]:
        named = event.get("source") if isinstance(event, dict) else None
        if isinstance(named, str) and named != source:
            raise SourceMismatch("An event names another bin as its source than the topic does. Nothing was stored.")


def _signature_fields(message: Message) -> dict[str, str]:
    names = {name.lower(): name for name in SIGNATURE_FIELDS}
    found: dict[str, str] = {}
    for given, value in getattr(message.properties, "UserProperty", ()):
        name = names.get(given.lower())
        if name is None:
            continue
        if name in found or len(value) > HEADER_BYTES_MAX or not _fits_a_header(value):
            detail = f"{name} is given twice, longer than {HEADER_BYTES_MAX} bytes, or not printable ASCII"
            raise SignatureRefused(SignatureMalformed.code, detail)
        found[name] = value
    return found


def _content_type(message: Message) -> str:
    content_type = getattr(message.properties, "ContentType", JSON_CONTENT_TYPE)
    if len(content_type) > CONTENT_TYPE_CHARACTERS_MAX or not _fits_a_header(content_type):
        raise UnsupportedMediaType
    return str(content_type)


def _fits_a_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


def answer_properties(answer: Answer, message: Message) -> Properties:
    """The status and what else was told as user properties, and the message's own Correlation Data."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
    properties.ContentType = answer.content_type
    properties.UserProperty = [("status", str(answer.status)), *answer.headers.items()]
    correlation_data = getattr(message.properties, "CorrelationData", None)
    if correlation_data is not None:
        properties.CorrelationData = correlation_data
    return properties


def response_topic(message: Message) -> str | None:
    """The topic that the bin asks its answer to."""
    return getattr(message.properties, "ResponseTopic", None)
