"""The assembled stand-ins: `machine`, `os`, `sys`, `esp32`, `network`."""

import random
import struct
import sys as real_sys

import bench_buses as buses
import bench_clocks as clocks
import bench_ops as ops
import bench_pins as pins
import machine as real_machine


class Namespace:
    """Stands in sys.modules where a module is expected."""


class Proxy:
    """A built-in module with some names replaced (attributes of the originals cannot be set)."""

    def __init__(self, name, **replaced):
        self._original = __import__(name)
        self.__name__ = name
        for key, value in replaced.items():
            setattr(self, key, value)

    def __getattr__(self, name):
        return getattr(self._original, name)


class Unmodelled:
    """A name that the port has and the bench does not model: present for `hasattr`, refuses to work."""

    def __init__(self, name):
        self._name = name

    def __call__(self, *args, **kwargs):
        raise NotImplementedError("the bench does not model " + self._name)


def soft_bus(wires):
    """Find the bus that the given pins belong to, for the bit-banged classes."""

    def find(kind, **pins):
        for wire_kind, bus_id, names in wires:
            if wire_kind == kind and all(names.get(name) == pin for name, pin in pins.items()):
                return bus_id
        raise ValueError("no %s bus is wired to these pins" % kind)

    return find


def make_machine(bus, port, facts, clock):
    """The module `machine` of one board."""
    module = Namespace()
    for name in port.MACHINE.split():
        setattr(module, name, Unmodelled("machine." + name))
    module.__name__ = "machine"
    module.Pin = pins.make_pin(bus, port)
    module.I2C, module.SoftI2C = buses.make_i2c(bus, port)
    module.SPI, module.SoftSPI = buses.make_spi(bus, port)
    module.UART = buses.make_uart(bus, port)
    module.ADC, module.PWM = pins.make_converters(bus, port)
    module.Timer = clocks.make_timer(bus)
    module.RTC, module.WDT = clocks.make_clocks(bus, port, clock)
    module.Signal = real_machine.Signal
    for name in ("mem8", "mem16", "mem32"):
        setattr(module, name, getattr(real_machine, name))
    for name, value in port.CAUSES.items():
        setattr(module, name, value)

    def sleep(milliseconds=None):
        until = ops.FOREVER_US if milliseconds is None else bus.now + milliseconds * 1000
        bus.sleep_until(until, ops.WAKE_LIGHT)

    def deepsleep(milliseconds=None):
        until = ops.FOREVER_US if milliseconds is None else bus.now + milliseconds * 1000
        bus.end(ops.DEEPSLEEP, struct.pack("<q", until))

    def time_pulse_us(pin, level, timeout=1000000):
        width = bus.call(ops.PULSE, pins.pin_number(pin), level, struct.pack("<q", timeout))[1]
        return width - 0x100000000 if width >= ops.PULSE_TIMEOUT_WAITING else width

    module.reset = lambda: bus.end(ops.RESET)
    module.soft_reset = lambda: bus.end(ops.SOFT_RESET)
    module.bootloader = lambda timeout=0: bus.end(ops.BOOTLOADER)
    module.lightsleep = sleep
    module.deepsleep = deepsleep
    module.idle = lambda: bus.sleep_until(bus.now + 1000, ops.WAKE_LIGHT)
    cause = port.CAUSE_OF.get(facts["cause"], port.CAUSE_OF[facts["hard_cause"]])
    module.reset_cause = lambda: cause
    module.unique_id = lambda: bytes.fromhex(facts["unique_id"])
    module.freq = lambda hz=None: port.FREQ_HZ
    module.disable_irq = lambda: 0
    module.enable_irq = lambda state: None
    module.time_pulse_us = time_pulse_us
    if port.PLATFORM == "esp32":
        module.sleep = sleep
        module.SLEEP = 2
        module.DEEPSLEEP = 4
        module.wake_reason = lambda: facts["wake_reason"]
        for i, name in enumerate(("PIN_WAKE", "EXT0_WAKE", "EXT1_WAKE", "TIMER_WAKE", "TOUCHPAD_WAKE", "ULP_WAKE")):
            setattr(module, name, i + 1)
    return module


def release():
    """Version of the interpreter as in os.uname().release."""
    return "%d.%d.%d" % real_sys.implementation[1][:3]


def make_os(facts, port):
    """The module `os`: file calls of the original, seeded `urandom`, `uname` of the port."""
    generator = random.getrandbits

    def urandom(count):
        return bytes(generator(8) for _ in range(count))

    def uname():
        version = "v%s (simulated by spatz-bench)" % release()
        return Uname((port.PLATFORM, port.PLATFORM, release(), version, facts["machine"]))

    return Proxy("os", urandom=urandom, uname=uname)


class Uname(tuple):
    """os.uname(): five words by name or index."""

    def __getattr__(self, name):
        return self[("sysname", "nodename", "release", "version", "machine").index(name)]


class Implementation(tuple):
    """sys.implementation with the board's name in it."""

    def __getattr__(self, name):
        names = ("name", "version", "_machine", "_mpy", "_build")
        if name not in names:
            raise AttributeError(name)
        return self[names.index(name)]


def make_sys(facts, port):
    """The module `sys` with platform and machine of the board."""
    own = real_sys.implementation
    implementation = Implementation((own[0], own[1], facts["machine"], own._mpy, facts["build"]))
    return Proxy("sys", platform=port.PLATFORM, implementation=implementation)


def make_esp32(bus):
    """The module `esp32`: NVS over the unit's flash, wake pins."""
    module = Namespace()
    I32, BLOB = 0x14, 0x42

    class NVS:
        def __init__(self, namespace):
            self._space = namespace.encode()
            if not 0 < len(self._space) < 16:
                raise OSError(-0x1109)  # ESP_ERR_NVS_INVALID_NAME

        def _ask(self, op, kind, key, value=None):
            data = self._space + b"\0" + key.encode()
            status, _, data = bus.call(op, kind, 0, data if value is None else data + b"\0" + value)
            if status == ops.FULL:
                raise OSError(-0x1105, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
            if status:
                raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
            return data

        def get_i32(self, key):
            return struct.unpack("<i", self._ask(ops.NVS_GET, I32, key))[0]

        def set_i32(self, key, value):
            self._ask(ops.NVS_SET, I32, key, struct.pack("<i", value))

        def get_blob(self, key, buffer):
            data = self._ask(ops.NVS_GET, BLOB, key)
            if len(data) > len(buffer):
                raise OSError(-0x110C, "ESP_ERR_NVS_INVALID_LENGTH")
            buffer[: len(data)] = data
            return len(data)

        def set_blob(self, key, value):
            self._ask(ops.NVS_SET, BLOB, key, bytes(value))

        def erase_key(self, key):
            self._ask(ops.NVS_ERASE, 0, key)

        def commit(self):
            bus.call(ops.NVS_COMMIT)

    def wake_on_ext0(pin=None, level=None):
        if pin is not None:
            bus.post(ops.WAKE_PIN, pins.pin_number(pin), level)

    def wake_on_ext1(pins_given=None, level=None):
        for pin in pins_given or ():
            bus.post(ops.WAKE_PIN, pins.pin_number(pin), level)

    module.__name__ = "esp32"
    module.NVS = NVS
    module.WAKEUP_ALL_LOW = False
    module.WAKEUP_ANY_HIGH = True
    module.wake_on_ext0 = wake_on_ext0
    module.wake_on_ext1 = wake_on_ext1
    module.wake_on_touch = lambda wake: None
    module.gpio_deep_sleep_hold = lambda hold: None
    module.raw_temperature = lambda: 128
    for name in ("HEAP_DATA", "HEAP_EXEC", "Partition", "RMT", "ULP", "idf_heap_info"):
        setattr(module, name, Unmodelled("esp32." + name))
    return module


def make_network(facts):
    """The module `network`: an interface that can be configured and never finds a net."""
    module = Namespace()

    class WLAN:
        IF_STA = 0
        IF_AP = 1

        def __init__(self, interface=0):
            self._active = False
            self._interface = interface

        def active(self, on=None):
            if on is None:
                return self._active
            self._active = bool(on)
            return self._active

        def config(self, name=None, **settings):
            return bytes.fromhex(facts["unique_id"]) if name == "mac" else None

        def connect(self, *args, **kwargs):
            if not self._active:
                raise OSError("Wifi Internal State Error")

        def disconnect(self):
            pass

        def isconnected(self):
            return False

        def ifconfig(self, settings=None):
            return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")

        def scan(self):
            return []

        def status(self, what=None):
            return 201 if self._active else 1000  # STAT_NO_AP_FOUND, STAT_IDLE

    module.__name__ = "network"
    module.WLAN = WLAN
    module.STA_IF = 0
    module.AP_IF = 1
    module.STAT_IDLE = 1000
    module.STAT_NO_AP_FOUND = 201
    module.country = lambda code=None: "XX"
    module.hostname = lambda name=None: "virtual"
    return module
