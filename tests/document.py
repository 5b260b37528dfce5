"""The OpenAPI document for the tests that ask what is in it: it takes a second to build, so it is built once."""

from service.app import ENDPOINTS
from service.docs.routes import application_document

DOCUMENT = application_document(ENDPOINTS)
