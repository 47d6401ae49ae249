"""One virtual board: power, resets, its interpreter process and the requests that come from it.

The reset matrix (what survives what) is the table `_KEEPS`. A reset of any kind is the end of the process and,
for all but power-off, the start of a new one on the same flash file: nothing can catch it.
"""

from __future__ import annotations

import enum
import hashlib
import socket
import struct
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from bench.boards.bus import MAX_INTERRUPTS, MESSAGE_BYTES, Answer, Interrupt, Request, build, parse
from bench.boards.console import Console
from bench.boards.errors import FlashInUse, InterpreterDied
from bench.boards.flash import Flash
from bench.boards.harness import Harness
from bench.boards.image import RP2040_FAMILY, RP2040_FLASH_ADDRESS, bootable, uf2_parts, virtual_image
from bench.boards.interpreter import Process
from bench.boards.loader import BOOT_LOOP_US, loader_of
from bench.boards.nvs import Nvs
from bench.boards.periphery import Periphery
from bench.boards.port import Port
from bench.boards.unit import BOOT_US, DEFAULT_BOOT_US, SOFT_BOOT_US, Cause, Unit
from bench.boards.waits import Sleep, Wait
from bench.overlay import bench_ops as ops
from bench.schedule import Event

if TYPE_CHECKING:
    from bench.boards.bench import Bench

SOFT_REBOOT_LINE = b"MPY: soft reboot\r\n"
RECEIVE_TIMEOUT = struct.pack("ll", 0, 2000)  # struct timeval: after 2 ms without a request look at the console
UNHASHED = frozenset((ops.BOOT, ops.SYNC, ops.SLEEP, ops.START, ops.STATE, ops.RTC_MEMORY_GET))
"""Requests that touch nothing outside the board; how many there are depends on how time was granted."""


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
        self._periphery = Periphery(self._schedule, harness, self._interrupt, self._wake)
        self._bus_hash = hashlib.sha256()
        self._console_hash = hashlib.sha256()
        for pin, line in harness.inputs.items():
            line.watch(lambda level, pin=pin: self._pin_changed(pin, level))  # type: ignore[misc]
        self.process: Process | None = None
        self._queue: deque[tuple[int, Request]] = deque()
        self._wait: tuple[Request, Wait] | None = None
        self._woken = False
        self._interrupts: list[Interrupt] = []
        self.speaking = False
        self.interactive = False
        self._started_us = 0
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

    def write_files(self, files: dict[str, bytes]) -> None:
        """Put files on the flash (absolute paths); the board must be without power."""

        def write() -> None:
            if self.process is not None:
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
        return hashlib.sha256(self._bus_hash.digest() + self._console_hash.digest()).hexdigest()

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
        if self._wake_pin_active():
            self._alarm = self._schedule.after(0, lambda: self._wake_up(2))

    def _wake_pin_active(self) -> bool:
        return any(self._periphery.level(pin) == level for pin, level in self.unit.wake_pins.items())

    def _pin_changed(self, pin: int, level: int) -> None:
        """A wire changed: perhaps it ends a deep or light sleep."""
        if self.unit.wake_pins.get(pin) == level:
            self._wake_up(2)
            self._wake()

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
        self._bus_hash.update(struct.pack("<q", self._schedule.now_us) + self.unit.cause.encode())
        self._started_us = self._schedule.now_us + after_us
        self._run_main = run_main
        home = self._directory / "home"
        home.mkdir(exist_ok=True)
        argv = ["micropython", "-X", f"heapsize={self._heap_bytes}", "-i", "-c"]
        argv += ["import bench_boot as _b;_b.start();del _b", "{bus}"]
        argv += [str(self._flash.path), str(self._flash.counter_path)]
        env = {"HOME": str(home), "MICROPYPATH": str(self.bench.overlay), "PATH": "/usr/bin:/bin"}
        self.process = self.bench.launcher.start(argv, env, home)
        self.process.bus.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, RECEIVE_TIMEOUT)
        self._console.attach(self.process)
        self.speaking = True
        self.interactive = False

    def _halt(self) -> None:
        """End the process. What it asked for and did not get is forgotten."""
        self._nvs.forget()
        if self.process is not None:
            self.process.kill()
            self.listen()
            self.process.close()
            self.process = None
        self._console.detach()
        self._disarm()
        self._periphery.reset()
        self._queue.clear()
        self._wait = None
        self._woken = False
        self._interrupts.clear()
        self.speaking = False
        self.interactive = False

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
        if self.process is not None:
            fds += [self.process.console.fileno(), self.process.bus.fileno()]
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
        while not self.holds_time and self.receive(wait=False):
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
        self._wake()

    # Requests

    @property
    def holds_time(self) -> bool:
        """Whether the program runs just now, so that time must wait for its next request."""
        return self.speaking and not self.interactive

    @property
    def posting(self) -> bool:
        """Whether it did things that have not reached the world yet."""
        return bool(self._queue) and self._queue[0][1].posted

    @property
    def due_us(self) -> int | None:
        """When something of this board is to be done next."""
        if self._wait is not None:
            return self._schedule.now_us if self._woken else self._wait[1].until_us
        return self._queue[0][0] if self._queue else None

    def receive(self, wait: bool = True) -> bool:
        """Take one message of the interpreter; False when none is there (after 2 ms with `wait`)."""
        process = self.process
        if process is None:
            return False
        try:
            message = process.bus.recv(MESSAGE_BYTES, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            message = b""
        if message:
            self._take(parse(message))
        else:
            self._ended(process.status())
        return True

    def _ended(self, status: int) -> None:
        """The interpreter ended by itself: sys.exit(), Ctrl-D at a prompt. That is a soft reset."""
        if status < 0 and status != -2:
            self._halt()
            self.state = State.OFF
            raise InterpreterDied(f"{self.name}: MicroPython ended by signal {-status}; it had printed:\n{self.tail()}")
        self._soft_reset()

    def tail(self, size: int = 2000) -> str:
        """The end of the console's output."""
        self.listen()
        return self._console.output[-size:].decode("utf-8", "replace")

    def _take(self, request: Request) -> None:
        if not self.speaking:  # Ctrl-C ended its last call at the board's end
            if self._wait is not None:
                self._wait = None
            elif self._queue and not self._queue[-1][1].posted:
                self._queue.pop()
            self.speaking = True
        earliest = self._queue[-1][0] if self._queue else self._schedule.now_us
        if request.op == ops.BOOT:
            earliest = max(earliest, self._started_us)
        due_us = max(request.now_us, earliest) + self._periphery.delay_us(request)
        self._queue.append((due_us, request))
        if not request.posted:
            self.speaking = False
        elif request.op == ops.REPL:
            self.interactive = True

    def step(self) -> None:
        """Do what is due now."""
        now_us = self._schedule.now_us
        if self._wait is not None:
            request, wait = self._wait
            self._woken = False
            answer = wait.poll(now_us)
            if answer is not None:
                self._wait = None
                self._answer(request, answer)
            return
        _, request = self._queue.popleft()
        result = self._serve(request)
        if result is None or request.posted:
            self._record(request, Answer())
        elif isinstance(result, Answer):
            self._answer(request, result)
        else:
            self._wait = (request, result)
            self._woken = True  # it may have come before we looked

    def _serve(self, request: Request) -> Answer | Wait | None:
        op = request.op
        if self._periphery.serves(op):
            return self._periphery.serve(request)
        if op == ops.SYNC:
            return Answer()
        if op == ops.SLEEP:
            return self._sleep(request)
        return self._system(request)

    def _sleep(self, request: Request) -> Wait:
        (until_us,) = struct.unpack("<q", request.data)
        self._console.input_arrived = False

        def disturbed() -> bool:
            return (
                bool(self._interrupts)
                or (bool(request.a & ops.WAKE_LIGHT) and self._wake_pin_active())
                or (bool(request.a & ops.WAKE_CONSOLE) and self._console.input_arrived)
                or (bool(request.a & ops.WAKE_UART) and self._periphery.uart_waiting())
            )

        return Sleep(until_us, disturbed)

    def _system(self, request: Request) -> Answer | None:
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
                return self._nvs.serve(request)
            case ops.WAKE_PIN:
                unit.wake_pins[request.a] = request.b
            case _:
                self._end(request)
        return None

    def _end(self, request: Request) -> None:
        """Requests that end the process."""
        self._record(request, Answer())
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

    def _answer(self, request: Request, answer: Answer) -> None:
        process = self.process
        if process is None:
            return
        self._record(request, answer)
        interrupts, self._interrupts = self._interrupts[:MAX_INTERRUPTS], self._interrupts[MAX_INTERRUPTS:]
        now_us = self._schedule.now_us + answer.took_us
        self.speaking = True
        for message in build(request.sequence, answer, now_us, self.bench.lease_us(self), interrupts):
            process.bus.send(message)

    def _record(self, request: Request, answer: Answer) -> None:
        if request.op not in UNHASHED:
            head = struct.pack("<qBBIB", self._schedule.now_us, request.op, request.a, request.b, answer.status)
            self._bus_hash.update(head + request.data + answer.data + struct.pack("<q", answer.value))

    def _interrupt(self, kind: int, number: int, value: int) -> None:
        self._interrupts.append((kind, number, value))
        self._wake()

    def _wake(self) -> None:
        self._woken = True
