"""One virtual board: power, resets, its interpreter process and the requests that come from it.

The reset matrix (what survives what) is the table `_KEEPS`. A reset of any kind is the end of the process and,
for all but power-off, the start of a new one on the same flash file: nothing can catch it.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from bench.boards.bus import Answer, Request
from bench.boards.console import Console
from bench.boards.errors import FlashInUse, InterpreterDied
from bench.boards.flash import Flash
from bench.boards.harness import Harness
from bench.boards.image import RP2040_FAMILY, RP2040_FLASH_ADDRESS, bootable, uf2_parts, virtual_image
from bench.boards.interpreter import Process
from bench.boards.loader import BOOT_LOOP_US, loader_of
from bench.boards.nvs import Nvs
from bench.boards.port import Port
from bench.boards.processor import Processor, ended_by_signal
from bench.boards.unit import BOOT_US, DEFAULT_BOOT_US, SOFT_BOOT_US, Cause, Unit
from bench.overlay import bench_ops as ops
from bench.schedule import Event

if TYPE_CHECKING:
    from bench.boards.bench import Bench

SOFT_REBOOT_LINE = b"MPY: soft reboot\r\n"


class State(enum.Enum):
    """What the unit is doing."""

    OFF = "without power"
    RUNNING = "running"
    DEEP_SLEEP = "in deep sleep"
    LOADER = "in its boot loader"


class Board:
    """A unit on the bench. Made by `Bench.add_board`; safe to call from any thread."""

    def __init__(self, bench: Bench, unit: Unit, directory: Path, harness: Harness, heap_bytes: int) -> None:
        self.bench = bench
        self.unit = unit
        self.name = unit.name
        self.harness = harness
        self.state = State.OFF
        self._schedule = bench.schedule
        self._directory = directory
        self._heap_bytes = heap_bytes
        directory.mkdir(parents=True, exist_ok=True)
        self._flash = Flash(directory, unit.layout)
        self._nvs = Nvs(self._flash)
        self._loader = loader_of(unit, self._flash, directory)
        self._port = Port()
        self._console = Console()
        self._console_hash = hashlib.sha256()
        self.processor = Processor(self._schedule, harness, self._console, self)
        for pin, line in harness.inputs.items():
            line.watch(lambda level, pin=pin: self._pin_changed(pin, level))  # type: ignore[misc]
        self._run_main = True
        self._stays_off = False
        self._watchdog: Event | None = None
        self._watchdog_us = 0
        self._alarm: Event | None = None

    # For tests and people

    @property
    def port(self) -> str:
        """The serial port to hand to tools: a resolved /dev/pts/N."""
        return self._port.path

    @property
    def flash_file(self) -> Path:
        """The unit's whole flash."""
        return self._flash.path

    @property
    def flash_writes(self) -> int:
        """Programs and erases by the file system so far."""
        return self._flash.writes

    @property
    def drive(self) -> Path | None:
        """The directory that stands for the USB drive of an RP2040 in its loader; None while there is none."""
        return self._loader.drive

    @property
    def console(self) -> str:
        """What the board printed so far."""
        self.bench.call(self.listen)
        return self._console.output.decode("utf-8", "replace")

    @property
    def boots(self) -> int:
        """How often the interpreter was started."""
        return self.unit.boots

    def power_on(self) -> None:
        """Give it power; nothing happens when it has."""
        self.bench.call(self._power_on)

    def power_off(self) -> None:
        """Take the power away, at once."""
        self.bench.call(self._power_off)

    def reset(self) -> None:
        """Press the reset button."""
        self.bench.call(lambda: self._restart("PWRON"))

    def cut_power_at_write(self, k: int, stays_off: bool = False) -> None:
        """Cut the power in the middle of the k-th flash program or erase from now (0: take the plan back).

        It comes back at once, or not before `power_on()`.
        """
        self._stays_off = stays_off
        self.bench.call(lambda: self._flash.cut_at_write(k))

    def cut_power_at_commit(self, k: int, *, keeps: bool, stays_off: bool = False) -> None:
        """The same in the k-th commit of `esp32.NVS` from now; `keeps` tells whether it had taken effect."""
        self._stays_off = stays_off
        self.bench.call(lambda: self._nvs.cut_at_commit(k, keeps=keeps))

    def write_files(self, files: dict[str, bytes]) -> None:
        """Put files on the flash (absolute paths); the board must be without power."""

        def write() -> None:
            if self.processor.process is not None:
                raise FlashInUse(f"{self.name} is running; power_off() first")
            self._flash.write_files(files)

        self.bench.call(write)

    def read_file(self, path: str) -> bytes:
        """A file as it is on the flash now."""
        return self.bench.call(lambda: self._flash.read_file(path))

    def install_image(self) -> None:
        """Put the simulated firmware image into the flash, as a factory or a flasher would."""
        mcu = self.unit.mcu
        if mcu == "rp2040":
            for address, payload in uf2_parts(virtual_image(mcu), RP2040_FAMILY) or ():
                self._flash.write(address - RP2040_FLASH_ADDRESS, payload)
        else:
            self._flash.write(self.unit.facts.FIRMWARE["offset"], virtual_image(mcu))

    def list_files(self) -> list[str]:
        """Absolute paths of all files on the flash."""
        return self.bench.call(self._flash.list_files)

    def transcript_hash(self) -> str:
        """SHA-256 over everything the board did to the world, with times, and everything it printed."""
        self.bench.call(self.listen)
        return hashlib.sha256(self.processor.transcript() + self._console_hash.digest()).hexdigest()

    # Power and resets

    def _power_on(self) -> None:
        if self.state is State.OFF:
            for part in self.harness.powered:
                part.set_power(True)
            self.unit.powered_on(self._schedule.now_us)
            self._boot("PWRON")

    def _power_off(self) -> None:
        self._halt()
        self._loader.leave()
        self.state = State.OFF
        for part in self.harness.powered:
            part.set_power(False)

    def _power_cut(self) -> None:
        self._power_off()
        if not self._stays_off:
            self._power_on()

    def _restart(self, cause: Cause) -> None:
        """A reset by a button, the program or the watchdog. Only a soft reset keeps the RTC memory."""
        if self.state is State.OFF:
            return
        self._halt()
        self.unit.rtc_memory = b""
        self._boot(cause)

    def _deep_sleep(self, until_us: int) -> None:
        self._halt()
        self.state = State.DEEP_SLEEP
        if until_us < ops.FOREVER_US:
            self._alarm = self._schedule.at(until_us, lambda: self._wake_up(4))
        if self.wake_pin_active():
            self._alarm = self._schedule.after(0, lambda: self._wake_up(2))

    def wake_pin_active(self) -> bool:
        """Whether a pin that ends a sleep has its level."""
        return any(self.processor.periphery.level(pin) == level for pin, level in self.unit.wake_pins.items())

    def _pin_changed(self, pin: int, level: int) -> None:
        """A wire changed: perhaps it ends a deep or light sleep."""
        if self.unit.wake_pins.get(pin) == level:
            self._wake_up(2)
            self.processor.wake()

    def _wake_up(self, reason: int) -> None:
        """`reason` as machine.wake_reason(): 2 EXT0_WAKE, 4 TIMER_WAKE (ports/esp32)."""
        if self.state is State.DEEP_SLEEP:
            self.unit.wake_reason = reason
            self._boot("DEEPSLEEP")

    def _boot(self, cause: Cause) -> None:
        self._disarm()
        if not bootable(self._flash, self.unit.mcu):
            self._enter_loader()
            return
        self._loader.leave()
        unit = self.unit
        unit.cause = unit.hard_cause = cause
        unit.wake_reason = unit.wake_reason if cause == "DEEPSLEEP" else 0
        unit.base_us = self._schedule.now_us - unit.ticks_start_ms * 1000
        unit.wake_pins.clear()
        self._console.forget_keys()
        self._start(run_main=True, after_us=BOOT_US.get(unit.mcu, DEFAULT_BOOT_US))

    def _enter_loader(self) -> None:
        self._halt()
        self.state = State.LOADER
        self._loader.enter()
        self._complain()

    def _complain(self) -> None:
        if self.state is State.LOADER:
            self._port.write(self._loader.complaint())
            if not bootable(self._flash, self.unit.mcu):
                self._alarm = self._schedule.after(BOOT_LOOP_US, self._complain)

    def _soft_reset(self) -> None:
        self._halt()
        self.say(SOFT_REBOOT_LINE)
        if self._console.raw:
            self._console.queue_raw()
        self.unit.cause = "SOFT"
        self._start(run_main=not self._console.raw, after_us=SOFT_BOOT_US)

    def _start(self, run_main: bool, after_us: int) -> None:
        self.state = State.RUNNING
        self._run_main = run_main
        self.processor.start(self._launch, self._schedule.now_us + after_us, self.unit.cause)

    def _launch(self) -> Process:
        home = self._directory / "home"  # the interpreter keeps the history of its prompt there
        home.mkdir(exist_ok=True)
        argv = ["micropython", "-X", f"heapsize={self._heap_bytes}", "-i", "-c"]
        argv += ["import bench_boot as _b;_b.start();del _b", "{bus}"]
        argv += [str(self._flash.path), str(self._flash.counter_path)]
        env = {"HOME": str(home), "MICROPYPATH": str(self.bench.overlay), "PATH": "/usr/bin:/bin"}
        return self.bench.launcher.start(argv, env, home)

    def _halt(self) -> None:
        """End the program. What it asked for and did not get is forgotten."""
        self.processor.halt(self.listen)
        self._nvs.forget()
        self._disarm()

    def _disarm(self) -> None:
        for event in (self._watchdog, self._alarm):
            if event is not None:
                event.cancel()
        self._watchdog = self._alarm = None

    def close(self) -> None:
        """Take the unit off the bench."""
        self._halt()
        self._port.close()

    # Console

    def say(self, data: bytes) -> None:
        """Bytes that the unit itself sends on its port."""
        self._console.keep(data)
        self._console_hash.update(data)
        self._port.write(data)

    def listen(self) -> None:
        """Pass on what the interpreter printed."""
        data = self._console.listen()
        if data:
            self._console_hash.update(data)
            self._port.write(data)

    @property
    def descriptors(self) -> list[int]:
        """What to watch for it: port, console, and the bus, on which a program that got Ctrl-C may speak any time."""
        fds = [self._port.master] if self._port.opened else []
        if (process := self.processor.process) is not None:
            fds += [process.console.fileno(), process.bus.fileno()]
        return fds

    def serve_host(self) -> None:
        """Look at the port and the console; hear an interpreter that is at its prompt."""
        hung_up = self._port.look() and not self._port.opened
        data = self._port.read()
        if data:
            self._port.opened = True
            self._hear_host(data)
        if self.state is State.LOADER:
            self._loader.look()
            if self._loader.wants_boot() or (hung_up and self._loader.resets_on_hang_up):
                self._boot("PWRON")
        self.listen()
        while not self.processor.holds_time and self.processor.receive(wait=False):
            pass

    def _hear_host(self, data: bytes) -> None:
        """Bytes from the tool at the port: for the program, or for the boot loader."""
        if self.state is State.OFF:
            return
        if self.state is State.LOADER:
            if not (self._loader.is_key(data) and bootable(self._flash, self.unit.mcu)):
                self._port.write(self._loader.feed(data))
                return
            self._boot("PWRON")
        elif (at := self._loader.called_by(data)) is not None:
            self._enter_loader()
            self._port.write(self._loader.feed(data[at:]))
            return
        self._console.type(data)
        self.processor.wake()

    # Requests about the unit itself

    def ended(self, status: int, listened: bool) -> None:
        """The interpreter ended by itself: sys.exit(), Ctrl-D at a prompt. That is a soft reset."""
        if ended_by_signal(status) or not listened:
            printed = self.tail()
            self._halt()
            self.state = State.OFF
            how = f"by signal {-status}" if status < 0 else f"with status {status} before it ran a program"
            raise InterpreterDied(f"{self.name}: MicroPython ended {how}; it had printed:\n{printed}")
        self._soft_reset()

    def lease_us(self) -> int:
        """See `Bench.lease_us`."""
        return self.bench.lease_us(self)

    def tail(self, size: int = 2000) -> str:
        """The end of the console's output."""
        self.listen()
        return self._console.output[-size:].decode("utf-8", "replace")

    def system(self, request: Request) -> Answer | None:
        """Requests about the unit itself."""
        unit = self.unit
        match request.op:
            case ops.BOOT:
                return Answer(data=unit.boot_message(self._run_main))
            case ops.START:
                self._console.release()
            case ops.REPL:
                pass
            case ops.RTC_MEMORY_GET:
                return Answer(data=unit.rtc_memory)
            case ops.RTC_MEMORY_SET:
                unit.rtc_memory = request.data
            case ops.RTC_OFFSET:
                (unit.clock_offset_s,) = struct.unpack("<q", request.data)
            case ops.WDT:
                self._watchdog_us = request.b * 1000
                self._feed()
            case ops.WDT_FEED:
                self._feed()
            case ops.NVS_GET | ops.NVS_SET | ops.NVS_ERASE | ops.NVS_COMMIT:
                answer = self._nvs.serve(request)
                if not self._nvs.cut:
                    return answer
                self._power_cut()
            case ops.WAKE_PIN:
                unit.wake_pins[request.a] = request.b
            case _:
                self._end(request)
        return None

    def _end(self, request: Request) -> None:
        """Requests that end the process."""
        match request.op:
            case ops.RESET:
                self._restart("HARD")
            case ops.SOFT_RESET:
                self._soft_reset()
            case ops.DEEPSLEEP:
                self._deep_sleep(struct.unpack("<q", request.data)[0])
            case ops.POWER_CUT:
                self._power_cut()
            case ops.BOOTLOADER:
                self._enter_loader()
            case _:
                raise ValueError(f"unknown request {request.op} on the bus of {self.name}")

    def _feed(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._watchdog_us:
            self._watchdog = self._schedule.after(self._watchdog_us, lambda: self._restart("WDT"))
