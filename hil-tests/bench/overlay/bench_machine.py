"""`machine` of a virtual board: pins and buses end in the bench instead of silicon.

Constants and names follow ports/esp32 and ports/rp2 of MicroPython 1.29; what differs between the two
is in `bench_ports`.
"""

import io
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


def make_i2c(bus, port):
    """The classes `I2C` and `SoftI2C`."""

    class I2C:
        def __init__(self, id=None, *, scl=None, sda=None, freq=400000, timeout=50000):
            if id is None:
                id = port.I2C_DEFAULT
            if id not in port.I2C_IDS:
                raise ValueError("I2C(%s) doesn't exist" % id)
            self._id = id
            self._freq = freq
            bus.post(ops.I2C_SETUP, id, freq)

        def init(self, *, scl=None, sda=None, freq=400000):
            self._freq = freq
            bus.post(ops.I2C_SETUP, self._id, freq)

        def deinit(self):
            pass

        def _transfer(self, addr, reads, data, stop, writes):
            word = addr | reads << 16 | (ops.I2C_STOP if stop else 0) | (ops.I2C_WRITES if writes else 0)
            status, _, data = bus.call(ops.I2C, self._id, word, data)
            if status != ops.OK:
                raise OSError(port.I2C_NAK)
            return data

        def scan(self):
            found = []
            for addr in range(8, 0x78):
                if bus.call(ops.I2C, self._id, addr | ops.I2C_STOP | ops.I2C_WRITES)[0] == ops.OK:
                    found.append(addr)
            return found

        def writeto(self, addr, buf, stop=True):
            self._transfer(addr, 0, buf, stop, True)
            return len(buf)

        def writevto(self, addr, vector, stop=True):
            return self.writeto(addr, b"".join(bytes(part) for part in vector), stop)

        def readfrom(self, addr, nbytes, stop=True):
            return self._transfer(addr, nbytes, b"", stop, False)

        def readfrom_into(self, addr, buf, stop=True):
            buf[:] = self._transfer(addr, len(buf), b"", stop, False)

        def _address(self, memaddr, addrsize):
            return bytes(memaddr >> 8 * i & 0xFF for i in range(addrsize // 8 - 1, -1, -1))

        def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
            return self._transfer(addr, nbytes, self._address(memaddr, addrsize), True, True)

        def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
            buf[:] = self._transfer(addr, len(buf), self._address(memaddr, addrsize), True, True)

        def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
            self._transfer(addr, 0, self._address(memaddr, addrsize) + bytes(buf), True, True)

    class SoftI2C(I2C):
        def __init__(self, scl, sda, *, freq=400000, timeout=50000):
            super().__init__(port.soft_bus("I2C", scl=pin_number(scl), sda=pin_number(sda)), freq=freq)

    return I2C, SoftI2C


def make_spi(bus, port):
    """The classes `SPI` and `SoftSPI`. Chip select is an ordinary pin."""

    class SPI:
        MSB = 0
        LSB = 1

        def __init__(self, id, baudrate=1000000, **options):
            if id not in port.SPI_IDS:
                raise ValueError("SPI(%s) doesn't exist" % id)
            self._id = id
            self.init(baudrate, **options)

        def init(self, baudrate=1000000, **options):
            if options.get("bits", 8) != 8:
                raise NotImplementedError("the bench moves whole bytes")
            self._baud = baudrate
            bus.post(ops.SPI_SETUP, self._id, baudrate)

        def deinit(self):
            pass

        def write(self, buf):
            bus.post(ops.SPI_WRITE, self._id, 0, buf, 10 + len(buf) * 8000000 // self._baud)

        def _transfer(self, data):
            bus.now += 10
            return bus.call(ops.SPI, self._id, 0, data)[2]

        def read(self, nbytes, write=0):
            return self._transfer(bytes([write]) * nbytes)

        def readinto(self, buf, write=0):
            buf[:] = self._transfer(bytes([write]) * len(buf))

        def write_readinto(self, write_buf, read_buf):
            if len(write_buf) != len(read_buf):
                raise ValueError("buffers must be the same length")
            read_buf[:] = self._transfer(write_buf)

    class SoftSPI(SPI):
        def __init__(self, baudrate=500000, *, sck=None, mosi=None, miso=None, **options):
            super().__init__(port.soft_bus("SPI", sck=pin_number(sck)), baudrate, **options)

    for name, value in port.SPI.items():
        setattr(SPI, name, value)
    return SPI, SoftSPI


def make_uart(bus, port):
    """The class `UART`, a stream that asyncio can wait for."""
    listeners = {}

    class UART(io.IOBase):
        def __init__(self, id, baudrate=115200, bits=8, parity=None, stop=1, **options):
            if id not in port.UART_IDS:
                raise ValueError("UART(%s) doesn't exist" % id)
            self._id = id
            self._timeout = self._timeout_char = 0
            self._irq = 0
            self._rxbuf = 256
            self.init(baudrate, bits, parity, stop, **options)

        def init(
            self, baudrate=115200, bits=8, parity=None, stop=1, *, timeout=0, timeout_char=0, rxbuf=256, **options
        ):
            self._baud = baudrate
            self._timeout = timeout
            self._timeout_char = max(timeout_char, 13000 // baudrate + 1)  # ports: never below 13 bit times
            self._rxbuf = rxbuf
            self._setup()

        def _setup(self):
            bus.post(ops.UART_SETUP, self._id, self._baud, struct.pack("<HB", self._rxbuf, self._irq))

        def deinit(self):
            pass

        def any(self):
            bus.now += FAST_US
            return bus.call(ops.UART_ANY, self._id)[1]

        def _read(self, count, timeout_ms):
            until = bus.now + timeout_ms * 1000
            return bus.call(ops.UART_READ, self._id, count, struct.pack("<qI", until, 1))[2]

        def read(self, nbytes=-1):
            data = self._read(0xFFFF if nbytes is None or nbytes < 0 else nbytes, self._timeout)
            if not data:
                return None
            while nbytes is None or nbytes < 0 or len(data) < nbytes:
                more = self._read(nbytes - len(data) if nbytes and nbytes > 0 else 0xFFFF, self._timeout_char)
                if not more:
                    break
                data += more
            return data

        def readinto(self, buf, nbytes=None):
            data = self.read(len(buf) if nbytes is None else min(nbytes, len(buf)))
            if data is None:
                return None
            buf[: len(data)] = data
            return len(data)

        def readline(self):
            line = self._read(1, self._timeout)
            while line and line[-1] != 10:
                more = self._read(1, self._timeout_char)
                if not more:
                    break
                line += more
            return line or None

        def write(self, buf):
            data = bytes(buf) if not isinstance(buf, str) else buf.encode()
            bus.post(ops.UART_WRITE, self._id, 0, data)
            return len(data)

        def txdone(self):
            return bool(bus.call(ops.UART_DONE, self._id)[1])

        def flush(self):
            while not self.txdone():
                bus.sleep_until(bus.now + 10000000 // self._baud)

        def ioctl(self, request, arg):
            if request == 3:  # MP_STREAM_POLL
                return arg & 4 | (arg & 1 if self.any() else 0)
            return 0

        def irq(self, handler=None, trigger=0, hard=False):
            listeners[self._id] = (handler, self)
            self._irq = 1 if handler and trigger else 0
            self._setup()
            return self

    def interrupt(number, value):
        handler, uart = listeners.get(number, (None, None))
        if handler:
            handler(uart)

    bus.handlers[ops.IRQ_UART] = interrupt
    for name, value in port.UART.items():
        setattr(UART, name, value)
    return UART


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


def make_timer(bus):
    """The class `Timer`; id -1 gives any number of virtual timers."""
    running = {}

    class Timer:
        ONE_SHOT = 0
        PERIODIC = 1

        def __init__(self, id=-1, **options):
            self._slot = None
            self._id = id
            if options:
                self.init(**options)

        def init(self, *, mode=1, period=-1, freq=-1, callback=None, hard=False):
            self.deinit()
            slot = self._id
            if slot < 0:
                slot = 16
                while slot in running:
                    slot += 1
            self._slot = slot
            running[slot] = (self, callback, mode)
            period_us = int(1000000 // freq) if freq != -1 else period * 1000
            bus.post(ops.TIMER, slot, mode, struct.pack("<q", period_us))

        def deinit(self):
            if self._slot is not None:
                bus.post(ops.TIMER, self._slot, 0, struct.pack("<q", 0))
                running.pop(self._slot, None)
                self._slot = None

    def interrupt(slot, value):
        if slot in running:
            timer, callback, mode = running[slot]
            if mode == Timer.ONE_SHOT:
                del running[slot]
                timer._slot = None
            if callback:
                callback(timer)

    bus.handlers[ops.IRQ_TIMER] = interrupt
    return Timer


def make_clocks(bus, port, clock):
    """The classes `RTC` and `WDT`; `clock` is a list holding the offset of the board's clock in seconds."""
    import time  # the bench's, installed just before

    class RTC:
        def __init__(self, id=0):
            pass

        def datetime(self, moment=None):
            if moment is None:
                now = time.gmtime()
                sub = bus.now % 1000000 // (1 if port.RTC_MICROSECONDS else 1000000)
                return (now[0], now[1], now[2], now[6], now[3], now[4], now[5], sub)
            year, month, day, _, hour, minute, second, _ = moment
            clock[0] += time.mktime((year, month, day, hour, minute, second, 0, 0)) - time.time()
            bus.post(ops.RTC_OFFSET, 0, 0, struct.pack("<q", clock[0]))

        def init(self, moment):
            self.datetime(moment)

    if port.RTC_MEMORY:

        def memory(self, data=None):
            if data is None:
                return bus.call(ops.RTC_MEMORY_GET)[2]
            data = data.encode() if isinstance(data, str) else bytes(data)
            if len(data) > 2048:  # ports/esp32: MICROPY_HW_RTC_USER_MEM_MAX
                raise ValueError("buffer too long")
            bus.post(ops.RTC_MEMORY_SET, 0, 0, data)

        RTC.memory = memory

    class WDT:
        def __init__(self, id=0, timeout=5000):
            if timeout < 1 or timeout > port.WDT_MAX_MS:
                raise ValueError("WDT timeout out of range")
            bus.post(ops.WDT, 0, timeout)

        def feed(self):
            bus.post(ops.WDT_FEED)

    return RTC, WDT
