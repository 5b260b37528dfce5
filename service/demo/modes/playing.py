"""Plays modes against a running demo: sends what each says over HTTP, and compares the answers with its design."""

import asyncio
import time
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

import aiohttp
import pydantic_core
from aiohttp import hdrs

from schemas.signatures import SigningKey, content_digest, sign_request
from service.backoff import Backoff, retry_after_seconds
from service.demo.fleet import CHINA
from service.demo.modes.catalogue import Mode
from service.demo.modes.provisioning import claim, retire
from service.demo.modes.stage import Cast, ModeBin, Stage, look
from service.demo.modes.steps import Answer, Step, difference, told

ATTEMPTS_MAX: Final = 5
POLL_SECONDS: Final = 0.2
Result = TypeVar("Result")


class NotAsDesigned(Exception):
    """An answer differs from what the mode expects; the message says how."""


class Played(NamedTuple):
    """A mode that was played: what the service answered to each step, and what was not as designed."""

    mode: Mode
    answers: tuple[str, ...]
    difference: str | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Everyone in a mode, over HTTP."""

    session: aiohttp.ClientSession
    base_url: str
    operator_key: str

    async def ask(self, step: Step) -> Answer:
        """The answer as designed, where the step has patience after some time. Raises NotAsDesigned, and
        aiohttp.ClientError or TimeoutError where there is no answer."""
        deadline = time.monotonic() + step.patience_seconds
        while True:
            answer = await self._send(step)
            different = difference(step, answer)
            if different is None:
                return answer
            if time.monotonic() >= deadline:
                raise NotAsDesigned(f"{step.method} {step.path}: {different}")
            await asyncio.sleep(POLL_SECONDS)

    async def _send(self, step: Step) -> Answer:
        """A service that asks to wait has stored nothing; a lost answer is not asked for again, as it would be another
        one."""
        body = step.body if step.tampered_body is None else step.tampered_body
        backoff = Backoff()
        for attempt in range(1, ATTEMPTS_MAX + 1):
            async with self.session.request(
                step.method, self.base_url + step.path, data=body or None, headers=self._headers(step, body)
            ) as response:
                text = await response.read()
                if response.status != 503 or attempt == ATTEMPTS_MAX:
                    is_json = response.content_type.endswith("json")
                    return Answer(response.status, pydantic_core.from_json(text) if text and is_json else None)
                await backoff.wait(retry_after_seconds(response))
        raise AssertionError("the last attempt returns")

    def _headers(self, step: Step, body: bytes) -> dict[str, str]:
        headers: dict[str, str] = {}
        if step.content_type is not None:
            headers[hdrs.CONTENT_TYPE] = step.content_type
        if step.operator:
            headers[hdrs.AUTHORIZATION] = f"Bearer {self.operator_key}"
            if step.method != "GET":
                headers["Idempotency-Key"] = str(uuid.uuid4())
        if step.key is not None:
            created = int(time.time()) + step.clock_seconds
            headers |= sign_request(step.key, method=step.method, target=step.path, body=step.body, created=created)
        if step.forged_digest:
            headers["Content-Digest"] = content_digest(body)
        return headers


@dataclass(frozen=True, slots=True)
class Show:
    """Where modes are played: `run` tells its bins from those of another, `in_field` are the keys of the bins that have
    stood there for long, by mode."""

    caller: Caller
    cast: Cast
    run: str
    in_field: Mapping[str, SigningKey]
    paced_morning: datetime

    async def play(self, mode: Mode) -> Played:
        """Raises aiohttp.ClientError or TimeoutError where the demo does not answer."""
        bin_id, answers = bin_id_of(self.run, mode), list[str]()
        try:
            key = self.in_field.get(mode.name)
            if key is None:
                key = await self._claim(bin_id, mode)
            now = datetime.now(CHINA)
            stage = Stage(ModeBin(key, bin_id, now), self.cast, now, self.paced_morning)
            await self._follow(mode.play(stage), answers)
            await self.caller.ask(retire(bin_id))
        except NotAsDesigned as different:
            return Played(mode, tuple(answers), str(different))
        return Played(mode, tuple(answers), None)

    async def _claim(self, bin_id: str, mode: Mode) -> SigningKey:
        known = await self.caller.ask(look("/v1/bins?limit=1", {"bins.#": 1}))
        return await self._follow(claim(bin_id, known.field("bins.0.site_id"), mode.algorithm), [])

    async def _follow(self, script: Generator[Step, Answer, Result], answers: list[str]) -> Result:
        """Do what the script says, to its end; `answers` are told as they come."""
        try:
            step = next(script)
            while True:
                answer = await self.caller.ask(step)
                answers.append(told(step, answer))
                step = script.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result


def bin_id_of(run: str, mode: Mode) -> str:
    return f"SIM-{run}-{mode.name}"
