"""Documents as the API tells them."""

from schemas.indicator_inputs import RecordedDocument
from service.indicator.evidence import Document


def document_answer(document: Document) -> RecordedDocument:
    return RecordedDocument(name=document.name, date=document.day, sha256=document.sha256)
