"""How a node is put together from its configuration. Needed once at the start and then forgotten."""

import gc

from firmware.node.config import START_DELAY_MAX_S


def build(config, clock, tell, directory=""):
    """All parts of a node, wired; `directory` is where its files are ("" on a board: the root).

    Modules are imported here and not above: only what this board and this profile need comes into memory.
    """
    wiring = _import("firmware.boards.%s.wiring" % config.board)
    hardware = wiring.build(config, clock)
    tell("start %s board=%s profile=%s reset=%d" % (config.name, config.board, config.profile, hardware.reset_code))

    from firmware.lorawan.store import FileStore
    from firmware.node.cycle import Cycle
    from firmware.node.files import Directory
    from firmware.node.link import Link
    from firmware.node.queue import Queue
    from firmware.node.state import State

    gc.collect()
    region = _import("firmware.lorawan.regions.%s" % config.region.lower().replace("-", "_"))
    kind = _kind(config, hardware, clock)
    gc.collect()

    state = State(FileStore(directory + "/node"), config)
    if not state.begin():
        tell("state starts anew")
    queue = Queue(Directory(directory + "/queue"))
    queue.open()
    kinds = ()
    new_link, new_cycle = Link, Cycle
    if config.device_class == "C":
        chip = _import("firmware.boards.%s.facts" % config.board).RADIO["chip"]
        kinds = _import("firmware.boards.class_c_%sx" % chip[:5]).KINDS
        new_link = _import("firmware.node.listening").ListeningLink
    if kinds or config.packages:
        new_cycle = _import("firmware.node.serving").ServingCycle
    mac, radio = hardware.lorawan(region, directory + "/lorawan", kinds)
    mac.strict_join = config.strict_join
    link = new_link(mac, radio, clock, hardware.sleep, tell)
    tell("boot=%d interval=%d pending=%d" % (state.boots, state.report_interval_s, queue.pending))

    delay_s = config.start_delay_s
    if delay_s is None:
        delay_s = hardware.random_u32() % (START_DELAY_MAX_S + 1)
    if delay_s:
        tell("wait %d s" % delay_s)
        hardware.sleep(delay_s * 1000)
    cycle = new_cycle(
        config,
        clock,
        hardware=hardware,
        kind=kind,
        link=link,
        queue=queue,
        state=state,
        say=tell,
    )
    if new_cycle != Cycle:
        modules = [_import("firmware.node.packages.%s" % name.replace("-", "_")) for name in config.packages]
        cycle.serve(mac, directory, modules)
    return cycle


def _kind(config, hardware, clock):
    """What this node measures: by the profile's own module, or by its table alone when that names all drivers."""
    module = config.profile.replace("-", "_")
    table = _import("firmware.payload.tables.%s" % module)
    if hasattr(table, "SOURCES"):
        return _import("firmware.node.measure.sourced").Sourced(table, hardware, config, clock)
    return _import("firmware.node.measure.%s" % module).Kind(hardware, config, clock)


def _import(name):
    """A module by its dotted name: `__import__` gives the outermost package."""
    module = __import__(name)
    for part in name.split(".")[1:]:
        module = getattr(module, part)
    return module
