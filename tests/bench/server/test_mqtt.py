"""The MQTT shell on a real mosquitto: gateways on one side, applications on the other."""

import json
import logging
import queue

import paho.mqtt.client as paho
import pytest
from chirpstack_api import gw
from google.protobuf.json_format import MessageToJson, Parse
from server_node import APP_KEY, DEV_EUI, GATEWAY, PATIENCE_S, Node, eventually, register_gateway, uplink_frame

from bench.broker import Broker, mosquitto_program
from bench.server.mqtt import MqttSettings
from bench.server.service import Service

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(mosquitto_program() is None, reason="mosquitto is not installed"),
]


class Peer:
    """A client on the broker that remembers what it hears."""

    def __init__(self, broker, *topics):
        self.inbox = queue.SimpleQueue()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._ready = queue.SimpleQueue()
        self._client.on_message = lambda client, data, message: self.inbox.put(message)
        self._client.on_subscribe = lambda *_: self._ready.put(True)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        for topic in topics:
            self._client.subscribe(topic, qos=1)
            self._ready.get(timeout=PATIENCE_S)

    def publish(self, topic, payload):
        self._client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    def next(self, end):
        """The next message whose topic ends so."""
        while True:
            message = self.inbox.get(timeout=PATIENCE_S)
            if message.topic.endswith(end):
                return message

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path):
    with Broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def service(broker):
    with Service(MqttSettings(broker.url, qos=1), seed=1) as service:
        with service.live.turn() as turn:
            turn.core.add_device(DEV_EUI, APP_KEY, codec_script=CODEC)
        assert service.wait_ready(PATIENCE_S)
        yield service


@pytest.fixture
def gateway(broker, service):
    peer = Peer(broker, f"eu868/gateway/{GATEWAY}/command/+")
    yield peer
    peer.close()


@pytest.fixture
def application(broker, service):
    peer = Peer(broker, "application/+/device/+/event/+")
    yield peer
    peer.close()


CODEC = "function decodeUplink(i) { return {data: {first: i.bytes[0]}}; }"


def application_id(service):
    with service.live.turn() as turn:
        return turn.core.storage.device(DEV_EUI).application_id


def hand_in(gateway, phy, *, as_json=False):
    frame = uplink_frame(phy, context=b"\x01\x02\x03\x04")
    payload = MessageToJson(frame) if as_json else frame.SerializeToString()
    gateway.publish(f"eu868/gateway/{GATEWAY}/event/up", payload)


def downlink(message):
    frame = gw.DownlinkFrame()
    frame.ParseFromString(message.payload)
    return frame


def join(gateway):
    node = Node()
    hand_in(gateway, node.join_request())
    node.take_accept(downlink(gateway.next("command/down")).items[0].phy_payload)
    return node


def test_a_device_joins_and_its_reading_reaches_the_application_decoded(gateway, application):
    node = join(gateway)
    joined = json.loads(application.next("event/join").payload)

    hand_in(gateway, node.send(b"\x2a", port=20))
    message = application.next("event/up")
    up = json.loads(message.payload)

    assert joined["devAddr"] == node.accept.dev_addr
    assert message.topic == f"application/{up['deviceInfo']['applicationId']}/device/{DEV_EUI}/event/up"
    assert (up["object"], up["fPort"], up["fCnt"]) == ({"first": 42.0}, 20, 0)
    assert up["rxInfo"][0]["gatewayId"] == GATEWAY


def test_a_downlink_of_the_application_reaches_the_node_and_the_acknowledgement_comes_back(
    service, gateway, application
):
    node = join(gateway)
    command = {"devEui": DEV_EUI, "confirmed": False, "fPort": 31, "data": "oQEU"}
    application.publish(f"application/{application_id(service)}/device/{DEV_EUI}/command/down", json.dumps(command))
    wait_for_queue(service, 1)

    hand_in(gateway, node.send())
    down = downlink(gateway.next("command/down"))
    frame, data = node.open(down.items[0].phy_payload, 0)
    ack = gw.DownlinkTxAck(gateway_id=GATEWAY, downlink_id=down.downlink_id)
    ack.items.add().status = gw.OK
    gateway.publish(f"eu868/gateway/{GATEWAY}/event/ack", ack.SerializeToString())
    event = json.loads(application.next("event/txack").payload)

    assert (frame.f_port, data) == (31, bytes.fromhex("a10114"))
    assert down.items[0].tx_info.context == b"\x01\x02\x03\x04"
    assert event["downlinkId"] == down.downlink_id


def wait_for_queue(service, length):
    def arrived():
        with service.live.turn() as turn:
            return len(turn.core.storage.device(DEV_EUI).queue) == length

    eventually(arrived)


def test_a_gateway_that_speaks_json_is_spoken_to_in_json(gateway):
    hand_in(gateway, Node().join_request(), as_json=True)

    message = gateway.next("command/down")

    frame = Parse(message.payload, gw.DownlinkFrame())
    assert frame.gateway_id == GATEWAY
    assert len(frame.items) == 2


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (f"eu868/gateway/{GATEWAY}/event/up", b"\xff\xff\xff"),
        (f"eu868/gateway/{GATEWAY}/event/up", b'{"gatewayId": broken'),
        (f"eu868/gateway/{GATEWAY}/event/up", b""),
        (f"eu868/gateway/{GATEWAY}/event/exec", b"x"),
        (f"application/x/device/{DEV_EUI}/command/down", b"{}"),
        (f"application/x/device/{DEV_EUI}/command/down", b'{"devEui": "0000000000000000", "fPort": 1}'),
        (f"application/x/device/{DEV_EUI}/command/down", json.dumps({"devEui": DEV_EUI, "fPort": 1}).encode()),
        (f"application/x/device/{DEV_EUI}/command/reboot", b"{}"),
    ],
)
def test_a_message_that_makes_no_sense_is_dropped_and_the_next_is_taken(gateway, topic, payload):
    gateway.publish(topic, payload)

    assert join(gateway).accept is not None


def test_the_server_comes_back_with_the_broker(broker, service, gateway):
    broker.stop()
    eventually(lambda: not service.ready)
    gateway.close()
    broker.start()
    assert service.wait_ready(PATIENCE_S)

    peer = Peer(broker, f"eu868/gateway/{GATEWAY}/command/+")
    assert join(peer).accept is not None
    peer.close()


def test_no_key_appears_in_logs_or_events(service, gateway, application, caplog):
    caplog.set_level(logging.DEBUG)
    node = join(gateway)
    hand_in(gateway, node.send())
    up = application.next("event/up").payload.decode()
    with service.live.turn() as turn:
        kept = repr(turn.core.storage.devices) + repr(turn.core.storage.keys)

    secrets = (APP_KEY, node.keys.nwk_s_key, node.keys.app_s_key)
    for text in (caplog.text, up, kept):
        assert not any(secret.hex() in text or repr(secret)[2:-1] in text for secret in secrets)


@pytest.mark.parametrize(
    ("settings", "delivered"),
    [({}, False), ({"qos": 1, "client_id": "server", "session_expiry_s": 3600}, True)],
    ids=["ChirpStack's defaults lose it", "a kept session delivers it"],
)
def test_a_frame_that_came_while_the_server_was_away(broker, settings, delivered):
    mqtt = MqttSettings(broker.url, **settings)
    with Service(mqtt, seed=1) as service:
        assert service.wait_ready(PATIENCE_S)
    application = Peer(broker, "application/+/device/+/event/+")
    gateway = Peer(broker)

    hand_in(gateway, Node().join_request())
    with Service(mqtt, seed=1) as service:
        with service.live.turn() as turn:
            turn.core.add_device(DEV_EUI, APP_KEY)
        assert service.wait_ready(PATIENCE_S)
        hand_in(gateway, Node().join_request(dev_nonce=9))
        nonces = []
        eventually(lambda: 9 in nonces_used(service, nonces))

    assert (0 in nonces) is delivered
    gateway.close()
    application.close()


def nonces_used(service, into):
    with service.live.turn() as turn:
        into[:] = [n for used in turn.core.storage.device_keys(DEV_EUI).dev_nonces.values() for n in used]
    return into


def test_statistics_show_that_a_gateway_is_alive(service, gateway):
    with service.live.turn() as turn:
        record = register_gateway(turn.core)

    gateway.publish(f"eu868/gateway/{GATEWAY}/event/stats", gw.GatewayStats(gateway_id=GATEWAY).SerializeToString())

    eventually(lambda: record.last_seen_us is not None)
