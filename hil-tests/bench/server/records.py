"""What the server remembers: plain objects, named as ChirpStack names them.

Identifiers are text: UUIDs of tenants, applications and profiles; EUIs and DevAddr as lower-case hexadecimal.
Times are microseconds since the Unix epoch. Keys never show up in a representation.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chirpstack_api import api, common, gw

from bench.server.adr import ALGORITHM_ID, Heard, LinkSettings
from bench.server.crypto import SessionKeys

CLASS_A: int = common.CLASS_A
CLASS_C: int = common.CLASS_C


@dataclass(slots=True)
class Record:
    """Common to all that the API lists."""

    created_us: int = 0
    updated_us: int = 0


@dataclass(slots=True)
class Tenant(Record):
    """A customer of the server; owns applications, profiles and gateways."""

    id: str = ""
    name: str = ""
    description: str = ""
    can_have_gateways: bool = True
    max_gateway_count: int = 0
    max_device_count: int = 0
    """0 means without limit."""
    private_gateways_up: bool = False
    private_gateways_down: bool = False
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Application(Record):
    """A group of devices with one event stream."""

    id: str = ""
    tenant_id: str = ""
    name: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class DeviceProfile(Record):
    """How a kind of device speaks. The message is kept whole, since the server acts on a part of it only."""

    message: api.DeviceProfile = field(default_factory=api.DeviceProfile)

    @property
    def id(self) -> str:
        """UUID."""
        return str(self.message.id)

    @property
    def tenant_id(self) -> str:
        """Owner; empty for a global profile."""
        return str(self.message.tenant_id)

    @property
    def name(self) -> str:
        """Name for people."""
        return str(self.message.name)

    @property
    def adr_algorithm_id(self) -> str:
        """An empty field means the default algorithm."""
        return str(self.message.adr_algorithm_id) or ALGORITHM_ID


@dataclass(slots=True)
class DeviceKeys(Record):
    """Root keys, and the nonces used with them."""

    nwk_key: bytes = field(default=bytes(16), repr=False)
    """LoRaWAN 1.0.x: the AppKey."""
    app_key: bytes = field(default=bytes(16), repr=False)
    gen_app_key: bytes = field(default=bytes(16), repr=False)
    dev_nonces: dict[str, list[int]] = field(default_factory=dict)
    """Used DevNonces per JoinEUI; survive a change of the keys."""
    join_nonce: int = 0
    """JoinNonce of the next join-accept; the first is 0."""


@dataclass(slots=True)
class Session:
    """An activation. `f_cnt_up` is the next expected uplink counter; 1.0.x has one downlink counter."""

    dev_addr: str
    join_eui: str
    keys: SessionKeys
    rx1_delay_s: int
    rx1_dr_offset: int
    rx2_dr: int
    rx2_frequency_hz: int
    channels_hz: dict[int, int]
    """Defined channels, index to frequency."""
    enabled_channels: list[int]
    tx_params: int | None = None
    """What the device obeys of TxParamSetupReq; None where the region does not know it."""
    f_cnt_up: int = 0
    f_cnt_down: int = 0
    adr: bool = False
    link: LinkSettings = field(default_factory=lambda: LinkSettings(0, 0, 1))
    tx_power_index_max: int = 0
    """Largest index the device accepted; 0 means not known to be limited."""
    history: list[Heard] = field(default_factory=list)
    pending: dict[int, list[bytes]] = field(default_factory=dict)
    """Requests whose answer is awaited: command identifier to the blocks sent."""
    last_status_request_us: int | None = None


@dataclass(slots=True)
class QueueItem:
    """A downlink waiting for the device. `data` is plain."""

    id: str
    dev_eui: str
    f_port: int
    data: bytes
    confirmed: bool = False
    created_us: int = 0
    expires_us: int | None = None
    is_pending: bool = False
    """Confirmed, transmitted, acknowledgement outstanding."""
    f_cnt_down: int | None = None
    timeout_us: int | None = None
    """Class C: when a pending item counts as lost. Class A: the next uplink decides."""


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """Last DevStatusAns."""

    margin_db: int
    external_power: bool
    battery_percent: float | None


@dataclass(slots=True)
class Device(Record):
    """A node."""

    dev_eui: str = ""
    name: str = ""
    description: str = ""
    application_id: str = ""
    device_profile_id: str = ""
    join_eui: str = "0000000000000000"
    skip_fcnt_check: bool = False
    is_disabled: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    last_seen_us: int | None = None
    status: DeviceStatus | None = None
    class_enabled: int = CLASS_A
    session: Session | None = None
    queue: list[QueueItem] = field(default_factory=list)
    mac_requests: list[bytes] = field(default_factory=list)
    """Blocks a test asked for; they go out with the next downlink."""
    heard_by: list[gw.UplinkRxInfo] = field(default_factory=list)
    """Receptions of the last accepted uplink: where a class C downlink goes, late context included."""
    heard_dr: int = 0
    scheduler_run_after_us: int = 0
    """Class C: no queue item before this, so that class A answers are not disturbed."""


@dataclass(slots=True)
class Gateway(Record):
    """A registered gateway."""

    message: api.Gateway = field(default_factory=api.Gateway)
    last_seen_us: int | None = None
    heard_by_hour: Counter[int] = field(default_factory=Counter)
    """Frames heard (rx_packets_received) by the hour since the Unix epoch, as ChirpStack's metrics have them."""

    @property
    def gateway_id(self) -> str:
        """EUI."""
        return str(self.message.gateway_id)

    @property
    def tenant_id(self) -> str:
        """Owner."""
        return str(self.message.tenant_id)


@dataclass(slots=True)
class ApiKey:
    """Permission to use the API: all of it, or one tenant's part."""

    id: str
    name: str
    is_admin: bool = False
    tenant_id: str = ""
    is_read_only: bool = False
