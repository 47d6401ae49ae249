"""Where a node starts: `/main.py` on the board is `from firmware.node.main import run; run()`."""

import gc
import time

from firmware.node import config as configuration
from firmware.node.clock import Clock
from firmware.node.errors import ConfigError
from firmware.node.memory import forget

_WHILE_LOADING_BYTES = 2_048
"""Loading a module leaves garbage between what stays. Collected at once, the next one fills the holes; else what stays
is spread over the whole heap, and no room of a kilobyte is left in one piece."""


def say(text):
    """One line for people and for `grep` on the console."""
    print("spatz: " + text)  # noqa: T201 - the one place where the node prints


def run(config_path=configuration.PATH):
    """Build the node from its configuration and run it for ever. Returns only when there is no usable configuration."""
    try:
        config = configuration.load(config_path)
    except ConfigError as error:
        say("no configuration: %s; run `spatz deploy`" % error)
        return
    _collect_after(_WHILE_LOADING_BYTES)
    from firmware.node.building import build

    cycle = build(config, Clock(time), say)
    del build
    forget("firmware.node.building")  # a node is built once
    gc.collect()
    _collect_after(-1)
    cycle.run()


def _collect_after(allocated_bytes):
    """Collect garbage whenever so much was allocated (-1: when the heap is full). CPython decides for itself."""
    if hasattr(gc, "threshold"):
        gc.threshold(allocated_bytes)
