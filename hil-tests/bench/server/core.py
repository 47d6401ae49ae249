"""The network server as a pure core: frames and the time in, outputs out. No clock, no socket, no thread.

    server = NetworkServer(seed=1)
    server.add_device("70b3d57ed0000001", app_key, codec_script=script)
    outputs = server.handle_uplink(frame, now_us)     # opens the de-duplication window
    outputs += server.poll(server.next_us())          # 200 ms later: events; 100 ms after that: the answer

Time is an integer in microseconds since the Unix epoch and must not run backwards. Everything drawn at random comes
from the seed, so equal inputs give equal outputs, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping

from chirpstack_api import api, common, gw
from google.protobuf.timestamp_pb2 import Timestamp

from bench.server import downlink
from bench.server.adr import ALGORITHM_ID
from bench.server.chance import Chance
from bench.server.codec import Codec
from bench.server.context import Context, UplinkSet
from bench.server.crypto import SessionKeys
from bench.server.dedup import Deduplicator, Key
from bench.server.errors import CodecError, Dropped, Invalid
from bench.server.frames import UPLINK_DATA, FType, frame_type
from bench.server.join import handle_join_request
from bench.server.outputs import Output
from bench.server.records import CLASS_C, Application, Device, DeviceKeys, DeviceProfile, QueueItem, Session, Tenant
from bench.server.settings import Settings
from bench.server.storage import Storage, parse_eui
from bench.server.txack import handle_tx_ack
from bench.server.uplink import handle_data_uplink

F_PORT_MAX = 255
_HOUR_US = 3_600_000_000
DEFAULT_TENANT = "ChirpStack"
DEFAULT_APPLICATION = "bench"


class NetworkServer:
    """ChirpStack v4 as its neighbours see it."""

    def __init__(self, settings: Settings | None = None, *, seed: int = 0) -> None:
        self.settings = settings or Settings()
        self.storage = Storage()
        self.chance = Chance(seed)
        self._context = Context(self.settings, self.storage, self.chance)
        region = self.settings.region
        self._deduplicator = Deduplicator(region.config_id, self.settings.deduplication_delay_us)

    # ------------------------------------------------------------------------------------------ from gateways

    def handle_uplink(self, frame: gw.UplinkFrame, now_us: int) -> list[Output]:
        """Take one copy of an uplink. What comes of it appears in `poll` after the de-duplication delay."""
        self._context.run_due(now_us)
        if not frame.HasField("tx_info") or not frame.HasField("rx_info"):
            self._context.log("warning", "uplink without tx_info or rx_info, skipping")
            return self._context.drain()
        copy = gw.UplinkFrame()
        copy.CopyFrom(frame)
        _stamp(copy.rx_info, self.settings.region.config_id, self.settings.region.common_name, now_us)
        gateway = self.storage.gateways.get(copy.rx_info.gateway_id)
        if gateway is not None:
            gateway.last_seen_us = now_us
        key = self._deduplicator.put(copy, now_us)
        if key is not None:
            due_us = now_us + self.settings.deduplication_delay_us
            self._context.at(due_us, lambda when_us: self._collected(key, when_us))
        return self._context.drain()

    def handle_tx_ack(self, ack: gw.DownlinkTxAck, now_us: int) -> list[Output]:
        """Take a gateway's acknowledgement of a downlink."""
        self._context.run_due(now_us)
        self._context.guard(lambda: handle_tx_ack(self._context, ack, now_us))
        return self._context.drain()

    def handle_stats(self, stats: gw.GatewayStats, now_us: int) -> list[Output]:
        """Take a gateway's statistics: it was seen now, whatever time the statistics are of; they add up in the bucket
        of their own time (uplink/stats.rs).
        """
        self._context.run_due(now_us)
        gateway = self.storage.gateways.get(stats.gateway_id)
        if gateway is not None:
            gateway.last_seen_us = now_us
            counted_us = stats.time.ToMicroseconds() if stats.HasField("time") else now_us
            gateway.heard_by_hour[counted_us // _HOUR_US] += stats.rx_packets_received
        elif not self.settings.allow_unknown_gateways:
            self._context.log("warning", "statistics of an unknown gateway", gateway_id=stats.gateway_id)
        return self._context.drain()

    # ------------------------------------------------------------------------------------------------ the time

    def poll(self, now_us: int) -> list[Output]:
        """Do what is due."""
        self._context.run_due(now_us)
        return self._context.drain()

    def next_us(self) -> int | None:
        """When `poll` has something to do, or None."""
        return self._context.next_us()

    # ---------------------------------------------------------------------------------------- from applications

    def enqueue(
        self,
        dev_eui: str,
        f_port: int,
        data: bytes = b"",
        *,
        confirmed: bool = False,
        decoded: Mapping[str, object] | None = None,
        expires_us: int | None = None,
        flush: bool = False,
        item_id: str = "",
        now_us: int = 0,
    ) -> QueueItem:
        """Put a downlink into a device's queue. `decoded`: an object for the codec's `encodeDownlink` instead of data.

        Raises Invalid for an FPort outside 1..255 or a codec that fails, NotFound for an unknown device.
        """
        device = self.storage.device(parse_eui(dev_eui))
        if not 1 <= f_port <= F_PORT_MAX:
            raise Invalid("FPort must be between 1 - 255")
        if decoded is not None:
            f_port, data = self._encode(device, f_port, decoded)
        item = QueueItem(
            id=item_id or self.chance.uuid(),
            dev_eui=device.dev_eui,
            f_port=f_port,
            data=data,
            confirmed=confirmed,
            created_us=now_us,
            expires_us=expires_us,
        )
        if flush:
            device.queue.clear()
        self.storage.enqueue(item)
        if device.class_enabled == CLASS_C:
            when_us = max(now_us, device.scheduler_run_after_us)
            self._context.at(when_us, lambda due_us: self._class_c(device, due_us))
        return item

    def request_mac(self, dev_eui: str, block: bytes) -> None:
        """Send these MAC commands (one kind, identifier first) with the next downlink: for tests of a node."""
        self.storage.device(parse_eui(dev_eui)).mac_requests.append(block)

    # --------------------------------------------------------------------------------------- without the API

    def add_device(
        self,
        dev_eui: str,
        app_key: bytes,
        *,
        name: str = "",
        codec_script: str = "",
        profile: api.DeviceProfile | None = None,
        application: str = DEFAULT_APPLICATION,
        now_us: int = 0,
    ) -> Device:
        """A LoRaWAN 1.0.x OTAA device in one call, with tenant, application and profile made when missing.

        `profile`: starting point for its device profile; a profile is shared by devices of equal settings.
        """
        dev_eui = parse_eui(dev_eui)
        owner = self._named_application(application, now_us)
        message = api.DeviceProfile()
        if profile is not None:
            message.CopyFrom(profile)
        else:
            message.CopyFrom(default_profile(self.settings.region.common_name))
        if codec_script:
            message.payload_codec_runtime = api.CodecRuntime.JS
            message.payload_codec_script = codec_script
        message.tenant_id = owner.tenant_id
        message.name = message.name or "bench"
        device = Device(
            created_us=now_us,
            updated_us=now_us,
            dev_eui=dev_eui,
            name=name or dev_eui,
            application_id=owner.id,
            device_profile_id=self._equal_profile(message, now_us).id,
        )
        self.storage.add_device(device)
        self.storage.add_keys(dev_eui, DeviceKeys(created_us=now_us, updated_us=now_us, nwk_key=app_key))
        return device

    def personalise(
        self, dev_eui: str, dev_addr: str, keys: SessionKeys, *, f_cnt_up: int = 0, f_cnt_down: int = 0
    ) -> None:
        """A session by personalisation (ABP) with the settings of the region, in place of any other."""
        device = self.storage.device(parse_eui(dev_eui))
        settings = self.settings
        channels_hz = dict(enumerate(settings.region.join_channels_hz))
        device.session = Session(
            dev_addr=dev_addr,
            join_eui=device.join_eui,
            keys=keys,
            rx1_delay_s=settings.rx1_delay_s,
            rx1_dr_offset=settings.rx1_dr_offset,
            rx2_dr=settings.rx2_dr,
            rx2_frequency_hz=settings.rx2_frequency_hz,
            channels_hz=channels_hz,
            enabled_channels=list(channels_hz),
            tx_params=settings.region.tx_params,
            f_cnt_up=f_cnt_up,
            f_cnt_down=f_cnt_down,
        )

    # ------------------------------------------------------------------------------------------------- inside

    def _collected(self, key: Key, now_us: int) -> None:
        copies = self._deduplicator.collect(key)
        tx_info = copies[-1].tx_info
        if not tx_info.modulation.HasField("lora"):
            raise Dropped("only LoRa modulation is known here")
        lora = tx_info.modulation.lora
        uplink = UplinkSet(
            deduplication_id=self.chance.uuid(),
            phy_payload=bytes(copies[-1].phy_payload),
            tx_info=tx_info,
            receptions=tuple(copy.rx_info for copy in copies),
            dr=self.settings.region.data_rate_index(lora.spreading_factor, lora.bandwidth),
        )
        ftype = frame_type(uplink.phy_payload)
        if ftype is FType.JOIN_REQUEST:
            handle_join_request(self._context, uplink, now_us)
        elif ftype in UPLINK_DATA and self.settings.processing_us:
            due_us = now_us + self.chance.pick(self.settings.processing_us)
            self._context.at(due_us, lambda when_us: handle_data_uplink(self._context, uplink, when_us))
        elif ftype in UPLINK_DATA:
            handle_data_uplink(self._context, uplink, now_us)
        else:
            raise Dropped(f"Unexpected m_type: {ftype.name}")

    def _class_c(self, device: Device, now_us: int) -> None:
        if device.scheduler_run_after_us > now_us:
            self._context.at(device.scheduler_run_after_us, lambda due_us: self._class_c(device, due_us))
            return
        downlink.send_class_c(self._context, device, now_us)

    def _encode(self, device: Device, f_port: int, value: Mapping[str, object]) -> tuple[int, bytes]:
        profile = self.storage.profile(device.device_profile_id).message
        if profile.payload_codec_runtime != api.CodecRuntime.JS:
            raise Invalid("the device profile has no codec to encode an object with")
        codec = Codec(profile.payload_codec_script, self.settings.codec_max_execution_ms)
        try:
            return codec.encode(value, f_port=f_port, variables=device.variables)
        except CodecError as error:
            raise Invalid(str(error)) from None

    def _named_application(self, name: str, now_us: int) -> Application:
        for application in self.storage.applications.values():
            if application.name == name:
                return application
        tenant = next(iter(self.storage.tenants.values()), None)
        if tenant is None:
            tenant = Tenant(created_us=now_us, updated_us=now_us, id=self.chance.uuid(), name=DEFAULT_TENANT)
            self.storage.add_tenant(tenant)
        application = Application(
            created_us=now_us, updated_us=now_us, id=self.chance.uuid(), tenant_id=tenant.id, name=name
        )
        self.storage.add_application(application)
        return application

    def _equal_profile(self, message: api.DeviceProfile, now_us: int) -> DeviceProfile:
        for profile in self.storage.profiles.values():
            message.id = profile.id
            if profile.message == message:
                return profile
        message.id = self.chance.uuid()
        profile = DeviceProfile(created_us=now_us, updated_us=now_us, message=message)
        self.storage.put_profile(profile, new=True)
        return profile


def default_profile(region: str = "EU868") -> api.DeviceProfile:
    """LoRaWAN 1.0.4, OTAA, class A, ADR on, no status requests; `region` by ChirpStack's name."""
    return api.DeviceProfile(
        name="bench",
        region=common.Region.Value(region),
        mac_version=common.LORAWAN_1_0_4,
        reg_params_revision=common.RP002_1_0_3,
        adr_algorithm_id=ALGORITHM_ID,
        supports_otaa=True,
        uplink_interval=3600,
        flush_queue_on_activate=True,
    )


def _stamp(reception: gw.UplinkRxInfo, config_id: str, common_name: str, now_us: int) -> None:
    """What ChirpStack adds to each reception: its own time, and the region of the topic it came by."""
    stamp = Timestamp()
    stamp.FromMicroseconds(now_us)
    reception.ns_time.CopyFrom(stamp)
    reception.metadata["region_config_id"] = config_id
    reception.metadata["region_common_name"] = common_name
