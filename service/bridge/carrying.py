"""What comes over one connection: each message is carried to the service, its answer told, and then acknowledged."""

import asyncio
import logging
from collections import deque
from functools import partial
from typing import Final

import aiomqtt

from service.bridge.broker import QOS, Broker
from service.bridge.forwarding import Service
from service.bridge.messages import Answer, answer_properties, problem_answer, request_of, response_topic
from service.bridge.metrics import BridgeMetrics
from service.bridge.topics import Origin, answer_topic, origin_of
from service.errors import InternalError, TanbiError

logger = logging.getLogger(__name__)

RESULTS: Final = {2: "decided", 4: "refused"}


class _Received:
    """A message that waits for its turn to be acknowledged; of its bytes nothing is kept for that."""

    __slots__ = ("message_id", "told")

    def __init__(self, message_id: int) -> None:
        self.message_id = message_id
        self.told = False


class Carrier:
    """Many messages at once, of each bin one after another; acknowledged in the order in which they came, as MQTT 5
    demands (4.6), and none before its answer is with the broker."""

    def __init__(
        self, broker: Broker, service: Service, metrics: BridgeMetrics, *, messages_max: int, body_bytes_max: int
    ) -> None:
        self._broker = broker
        self._service = service
        self._metrics = metrics
        # A broker may send more ahead than it was asked to (Mosquitto 2.0 does, from a session's backlog): that waits.
        self._room = asyncio.Semaphore(messages_max)
        self._body_bytes_max = body_bytes_max
        self._received: deque[_Received] = deque()
        # Each gives the answer that its message was given back with, or None.
        self._tasks: set[asyncio.Task[Answer | None]] = set()
        self._last_of_bin: dict[str, asyncio.Task[Answer | None]] = {}

    async def run(self, stop: asyncio.Event, *, finish_seconds: float) -> None:
        """Carry messages until `stop`, then finish what came before it, within `finish_seconds`.

        Raises an ExceptionGroup of MqttError when the connection is lost; the broker sends again what was under way.
        """
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(group))
            await stop.wait()
            reading.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=finish_seconds)
            for task in list(self._tasks):
                task.cancel()

    async def _read(self, group: asyncio.TaskGroup) -> None:
        async for message in self._broker.messages:
            await self._room.acquire()
            received = _Received(message.mid)
            self._received.append(received)
            origin = origin_of(message.topic.value)
            if origin is None:
                self._settle(received)
                continue
            task = group.create_task(self._carry(origin, message, received, self._last_of_bin.get(origin.bin_id)))
            self._last_of_bin[origin.bin_id] = task
            self._tasks.add(task)
            task.add_done_callback(partial(self._forget, origin.bin_id))

    def _forget(self, bin_id: str, task: asyncio.Task[Answer | None]) -> None:
        self._tasks.discard(task)
        if self._last_of_bin.get(bin_id) is task:
            del self._last_of_bin[bin_id]

    async def _carry(
        self,
        origin: Origin,
        message: aiomqtt.Message,
        received: _Received,
        before: asyncio.Task[Answer | None] | None,
    ) -> Answer | None:
        with self._metrics.carrying():
            # What came behind a message that is given back is so too: the bin sends all of them again, in order.
            undecided = None if before is None else await before
            answer = undecided or await self._answer(origin, message)
            await self._broker.publish(
                answer_topic(origin, response_topic(message)),
                answer.body,
                qos=QOS,
                properties=answer_properties(answer, message),
            )
        self._metrics.count_message(origin.kind, RESULTS[answer.status // 100] if answer.is_final else "given_back")
        self._settle(received)
        return None if answer.is_final else answer

    async def _answer(self, origin: Origin, message: aiomqtt.Message) -> Answer:
        try:
            return await self._service.decide(request_of(message, origin, body_bytes_max=self._body_bytes_max))
        except TanbiError as error:
            return problem_answer(error)
        except Exception:
            # Given back to its bin: what cannot be carried today would come again with each connection.
            logger.exception("a message could not be carried")
            return problem_answer(InternalError())

    def _settle(self, received: _Received) -> None:
        received.told = True
        while self._received and self._received[0].told:
            self._broker.acknowledge(self._received.popleft().message_id)
            self._room.release()
