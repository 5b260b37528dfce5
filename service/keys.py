"""What the composition in app.py gives to the routes."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from service.metrics import Metrics
from service.reference import Reference
from service.secrets import Keyring
from service.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
ENGINE = web.AppKey("engine", AsyncEngine)
KEYRING = web.AppKey("keyring", Keyring)
REFERENCE = web.AppKey("reference", Reference)
METRICS = web.AppKey("metrics", Metrics)
