"""`machine.Pin`, `ADC` and `PWM` of a virtual board: pins end in the bench instead of silicon.

Names and constants follow ports/esp32 and ports/rp2 of MicroPython 1.29; what differs is in `bench_port_*`.
"""

import struct

import bench_ops as ops
import machine as real

FAST_US = 2  # reading or writing a pin register from Python
ADC_US = 40
PIN_MODES = {"IN": ops.MODE_IN, "OUT": ops.MODE_OUT, "OPEN_DRAIN": ops.MODE_OPEN_DRAIN}


def make_pin(bus, port):
    """The class `Pin`: one object a pin, as on the ports."""
    known = {}
    modes = {port.PIN[name]: mode for name, mode in PIN_MODES.items()}

    class Pin(real.PinBase):
        def __new__(cls, id, *args, **kwargs):
            number = pin_number(id)
            pin = known.get(number)
            if pin is None:
                if number not in port.PINS:
                    raise ValueError("invalid pin")
                pin = object.__new__(cls)
                pin._number = number
                pin._out = pin._level = pin._handler = None
                pin._stamp = -1
                known[number] = pin
            return pin

        def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=0, alt=-1, hold=None):
            if mode != -1 or pull != -1 or value is not None:
                self.init(mode, pull, value=value)

        def init(self, mode=-1, pull=-1, *, value=None, drive=0, alt=-1, hold=None):
            word = 0
            if mode is not None and mode != -1:
                if mode not in modes:
                    raise ValueError("invalid pin mode")
                self._out = modes[mode]
                if self._out != ops.MODE_IN and self._number in port.INPUT_ONLY:
                    raise ValueError("pin can only be input")
            if pull is not None and pull != -1:
                word |= ops.PULL_UP if pull == port.PIN["PULL_UP"] else ops.PULL_DOWN
            if value is not None:
                word |= ops.VALUE_HIGH if value else ops.VALUE_LOW
            bus.post(ops.PIN_MODE, self._number, (self._out or 0) | word)

        def value(self, level=None):
            if level is not None:
                bus.post(ops.PIN_SET, self._number, 1 if level else 0, b"", FAST_US)
                return None
            bus.now += FAST_US
            if self._stamp != bus.stamp or bus.now > bus.lease:
                self._level = bus.call(ops.PIN_GET, self._number)[1]
                self._stamp = bus.stamp
            return self._level

        __call__ = value

        def on(self):
            self.value(1)

        def off(self):
            self.value(0)

        def toggle(self):
            self.value(not bus.call(ops.STATE, self._number)[1])

        def irq(self, handler=None, trigger=None, *, wake=None, hard=False, priority=1):
            if trigger is None:
                trigger = port.PIN["IRQ_RISING"] | port.PIN["IRQ_FALLING"]
            edges = 0
            if handler is not None or wake is not None:
                if trigger & port.PIN["IRQ_RISING"]:
                    edges |= ops.EDGE_RISING
                if trigger & port.PIN["IRQ_FALLING"]:
                    edges |= ops.EDGE_FALLING
            if wake is not None and trigger & port.WAKE_LEVELS:
                bus.post(ops.WAKE_PIN, self._number, 1 if trigger & port.PIN.get("WAKE_HIGH", 0) else 0)
            self._handler = handler
            bus.post(ops.PIN_IRQ, self._number, edges)
            return self

        def mode(self, mode=None):
            if mode is not None:
                self.init(mode)
            for value, meaning in modes.items():
                if meaning == (self._out or 0):
                    return value

        def __repr__(self):
            return port.PIN_NAME % self._number

    def interrupt(number, level):
        pin = known.get(number)
        if pin is not None and pin._handler is not None:
            pin._handler(pin)

    bus.handlers[ops.IRQ_PIN] = interrupt
    for name, value in port.PIN.items():
        setattr(Pin, name, value)
    if port.LOW_HIGH:
        Pin.low = Pin.off
        Pin.high = Pin.on
    return Pin


def pin_number(pin):
    """GPIO number of 5, "GP5", "GPIO5" or a Pin."""
    if isinstance(pin, int):
        return pin
    if isinstance(pin, str):
        return int(pin.replace("GPIO", "").replace("GP", ""))
    return pin._number


def make_converters(bus, port):
    """The classes `ADC` and `PWM`."""

    class ADC:
        def __init__(self, pin, atten=None):
            self._pin = port.adc_pin(pin_number(pin))
            self._range = port.ADC_RANGES_UV[len(port.ADC_RANGES_UV) - 1 if atten is None else atten]

        def init(self, atten=None):
            self.atten(atten or 0)

        def atten(self, atten):
            self._range = port.ADC_RANGES_UV[atten]

        def read_uv(self):
            bus.now += ADC_US
            return min(bus.call(ops.ADC, self._pin)[1], self._range)

        def read_u16(self):
            # 12 bits of converter, stretched to 16 as the ports do.
            raw = self.read_uv() * 4095 // self._range
            return raw << 4 | raw >> 8

        def read(self):
            return self.read_u16() >> 4

    for name, value in port.ADC.items():
        setattr(ADC, name, value)

    class PWM:
        def __init__(self, pin, *, freq=0, duty_u16=None, duty=None, duty_ns=None, invert=False):
            self._pin = pin_number(pin)
            self._freq = freq
            self._duty = 0
            self.init(freq=freq, duty_u16=duty_u16, duty=duty, duty_ns=duty_ns)

        def init(self, *, freq=0, duty_u16=None, duty=None, duty_ns=None):
            self._freq = freq or self._freq or 5000
            if duty_u16 is not None:
                self._duty = duty_u16
            elif duty is not None:
                self._duty = duty << 6
            elif duty_ns is not None:
                self._duty = duty_ns * self._freq * 65535 // 1000000000
            bus.post(ops.PWM, self._pin, self._freq, struct.pack("<H", self._duty))

        def freq(self, freq=None):
            if freq is None:
                return self._freq
            self.init(freq=freq)

        def duty_u16(self, duty=None):
            if duty is None:
                return self._duty
            self.init(duty_u16=duty)

        def duty_ns(self, duty=None):
            if duty is None:
                return self._duty * 1000000000 // (65535 * self._freq)
            self.init(duty_ns=duty)

        def deinit(self):
            bus.post(ops.PWM, self._pin, 0, b"\0\0")

    if port.ADC_ATTEN:
        PWM.duty = lambda self, duty=None: self._duty >> 6 if duty is None else self.init(duty=duty)
    return ADC, PWM
