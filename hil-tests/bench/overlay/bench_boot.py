"""The prelude of a virtual board: runs first in every interpreter process.

Mounts the unit's flash as the root directory, puts the bench's modules where the firmware will look for
them, runs boot.py and main.py as a port does, and leaves the prompt to the console.
"""

import io
import json
import os
import random
import struct
import sys

import bench_asyncio
import bench_bus
import bench_flash
import bench_modules
import bench_ops as ops
import bench_time
import ds18x20
import neopixel
import onewire
import vfs


def start():
    """Become the board; argv: descriptor of the bus, flash file, counter file."""
    bus = bench_bus.Bus(int(sys.argv[1]))
    facts = json.loads(bus.call(ops.BOOT)[2])
    port = __import__("bench_port_" + facts["mcu"]).Port  # now: the root directory will be another one
    bus.base = facts["base_us"]
    bus.lease = 0
    frame = struct.pack(ops.REQUEST, 0xFFFF, ops.POWER_CUT, 0, 0, bus.now)
    place = (facts["files_offset"], facts["files_bytes"])
    flash = bench_flash.Flash(sys.argv[2], sys.argv[3], place, bus.stream, frame)
    mount(flash)
    install(bus, facts, port)
    bus.post(ops.START)
    try:
        run("boot.py", bus)
        if facts["run_main"]:
            run("main.py", bus)
    except KeyboardInterrupt:
        pass
    bus.interactive = True
    bus.post(ops.REPL)


def mount(flash):
    """Make the flash image the root directory; a chip without a file system gets one, as on first boot."""
    try:
        files = vfs.VfsLfs2(flash)
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        files = vfs.VfsLfs2(flash)
    vfs.umount("/")
    vfs.mount(files, "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    sys.argv[:] = []


def install(bus, facts, port):
    """Fill sys.modules, which wins over built-in modules and files alike."""
    port.soft_bus = staticmethod(bench_modules.soft_bus(facts["wires"]))
    clock = [facts["clock_offset_s"]]
    modules = sys.modules
    for name in list(modules):
        if name.startswith("bench_"):
            del modules[name]
    modules["time"] = time = bench_time.make_time(bus, port.EPOCH_2000, clock)
    modules["utime"] = time
    modules["select"] = bench_time.make_select(bus)
    modules["_asyncio"] = bench_asyncio.make_asyncio_core(time)
    modules["machine"] = bench_modules.make_machine(bus, port, facts, clock)
    modules["micropython"] = bench_modules.Proxy("micropython", alloc_emergency_exception_buf=lambda size: None)
    modules["os"] = bench_modules.make_os(facts, port)
    modules["sys"] = bench_modules.make_sys(facts, port)
    modules["onewire"] = onewire
    modules["ds18x20"] = ds18x20
    modules["neopixel"] = neopixel
    onewire.attach(bus)
    neopixel.attach(bus)
    if port.PLATFORM == "esp32":
        modules["esp32"] = bench_modules.make_esp32(bus)
        modules["network"] = bench_modules.make_network(facts)
    random.seed(facts["seed"])


def run(name, bus):
    """Run a file of the root directory as the ports do: its failure is printed, the board goes on."""
    import __main__

    try:
        os.stat("/" + name)
    except OSError:
        return
    try:
        execfile("/" + name, __main__.__dict__)  # noqa: F821 (a built-in of the unix port)
    except SystemExit:
        bus.end(ops.SOFT_RESET)
    except BaseException as error:
        bus.lease = 0
        report(error, name)


def report(error, name):
    """Print a traceback without the prelude's own frames."""
    text = io.StringIO()
    sys.print_exception(error, text)
    for line in text.getvalue().split("\n")[:-1]:
        if 'File "bench' not in line and 'File "<string>"' not in line:
            sys.stdout.write(line.replace('File "/' + name, 'File "' + name) + "\r\n")
