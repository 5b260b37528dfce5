"""The bridge as a client of the broker."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from yarl import URL

from service.bridge.topics import subscriptions
from service.settings import Settings

# The library logs each lost connection as an error; the bridge says it itself, once.
quiet = logging.getLogger(f"{__name__}.library")
quiet.setLevel(logging.CRITICAL)

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
TIMEOUT_SECONDS: Final = 10.0
# Room for topic and properties, which hold the signature.
HEAD_BYTES_MAX: Final = 64 * 1024
QOS: Final = 1


class CannotBridge(Exception):
    """Its message says what an operator has to change; trying again would not help."""


class Waiting(asyncio.Queue[aiomqtt.Message]):
    """What has come and is not taken up yet: at most as many as there are packet ids, 65 535."""

    def put_nowait(self, message: aiomqtt.Message) -> None:
        """Without what came at QoS 0, which no broker counts and nobody wants back."""
        if message.qos == QOS:
            super().put_nowait(message)


class Broker(aiomqtt.Client):
    """A connection to the broker that acknowledges a message when told to.

    The session outlives it: what was not acknowledged comes again on the next connection under the same client id. The
    broker is asked to send at most `bridge_messages_max` ahead of acknowledgements.

    Raises CannotBridge where `bridge_ca_file` is no such file.
    """

    def __init__(self, settings: Settings) -> None:
        url = URL(settings.bridge_broker_url)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
        properties.SessionExpiryInterval = settings.bridge_session_seconds
        properties.ReceiveMaximum = settings.bridge_messages_max
        properties.MaximumPacketSize = settings.body_bytes_max + HEAD_BYTES_MAX
        super().__init__(
            url.host or "",
            url.port or PORTS[url.scheme],
            username=settings.bridge_username or None,
            password=settings.bridge_password.get_secret_value() or None,
            identifier=settings.bridge_client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=properties,
            queue_type=Waiting,
            timeout=TIMEOUT_SECONDS,
            logger=quiet,
            tls_context=_tls_context(settings.bridge_ca_file) if url.scheme == "mqtts" else None,
        )
        # aiomqtt 2.5 has no word for it (its issue 345). Before connecting: a resumed session sends at once.
        self._client.manual_ack_set(True)
        self.pending_calls_threshold = settings.bridge_messages_max

    async def subscribe_to_bins(self) -> None:
        """Raises MqttError, also where the broker grants less than QoS 1."""
        topics = [(topic, SubscribeOptions(qos=QOS)) for topic in subscriptions()]
        for granted in await self.subscribe(topics):
            code = granted if isinstance(granted, int) else granted.value
            if code != QOS:
                raise aiomqtt.MqttError(f"the subscription was answered {granted}")

    def acknowledge(self, message_id: int) -> None:
        """Send the PUBACK of a message of this connection. Raises MqttCodeError where the connection is gone."""
        returned = self._client.ack(message_id, QOS)
        if returned != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(returned, "Could not acknowledge")


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise CannotBridge(f"TANBI_BRIDGE_CA_FILE {ca_file} cannot be used: {error}") from None
