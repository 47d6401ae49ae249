"""Nothing a run leaves behind holds a key: output, logs, files, arguments, environments, board console, tracebacks.

The key is made by the run itself; afterwards it is taken from the vault and looked for everywhere, in every
spelling a key is likely to take.
"""

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from provisioning.redaction import spellings

pytestmark = pytest.mark.live

INJECTED = """
from provisioning import board_link

def write(self, path, data):
    if path == "/lorawan/identity":
        raise RuntimeError(f"{data!r} {data.hex()} {list(data)} {data[17:33].hex()}")
    return real(self, path, data)

real, board_link.BoardLink.write = board_link.BoardLink.write, write
"""


class Watch(threading.Thread):
    """Reads the arguments and environments of all processes, again and again, while a run lasts."""

    def __init__(self):
        super().__init__()
        self.seen, self.stop = set(), threading.Event()

    def run(self):
        own = os.getpid()
        while not self.stop.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                if int(process.name) == own:
                    continue
                for file in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        self.seen.add((process / file).read_bytes())
            time.sleep(0.002)


@pytest.fixture
def watch():
    thread = Watch()
    thread.start()
    yield thread
    thread.stop.set()
    thread.join()


def secrets_of(technician):
    """Each secret of the run with all its spellings, as lower-case bytes."""
    with technician.vault() as vault:
        ((device, field, _),) = vault.entries()
        with vault.secret(device, field) as key:
            app_key = bytes(key)
    forms = {form.lower().encode() for form in spellings(app_key)} | {app_key, app_key[::-1].hex().encode()}
    return forms, b"correct horse battery staple", technician.token.read_bytes().strip().lower()


def left_behind(technician, *streams):
    """(where, lower-case content) of all that can be found after the run, but vault, passphrase and token files."""
    own = {technician.state / "vault.spatz", technician.passphrase, technician.token}
    for directory, _, files in os.walk(technician.home):
        for name in files:
            file = Path(directory, name)
            if file not in own:
                yield str(file), file.read_bytes().lower()
    for number, stream in enumerate(streams):
        yield f"stream {number}", stream.encode().lower()


def assert_clean(technician, watch, *streams):
    forms, passphrase, token = secrets_of(technician)
    places = list(left_behind(technician, *streams))
    places += [("process", content.lower()) for content in watch.seen]
    assert len(places) > 20  # it did look
    for where, content in places:
        assert not [form for form in forms if form in content], where
        assert passphrase not in content, where
        assert token not in content, where


@pytest.mark.usefixtures("joiner")
def test_a_full_run_leaves_no_key_behind(technician, board, watch):
    process = technician.start("provision", "--verbose")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0

    again = technician.start("label")
    out2, err2 = again.communicate(timeout=60)

    assert again.returncode == 0
    assert any(b"provisioning.cli.main" in content for content in watch.seen)
    assert_clean(technician, watch, out, err, out2, err2, board.console)


@pytest.mark.usefixtures("joiner")
def test_a_flashing_run_leaves_no_key_behind(technician, bench, watch):
    image = pytest.importorskip("bench.boards.image").virtual_image("esp32")
    unit = bench.add_board("new", board="rak11200", blank=True)
    unit.power_on()
    technician.port = unit.port
    (technician.home / "image.bin").write_bytes(image)
    technician.write_node(board="rak11200", more='\n[firmware]\nimage = "image.bin"\n')

    out, err = technician.start("provision", "--verbose").communicate(timeout=60)

    assert any(b"esptool" in content for content in watch.seen)
    assert_clean(technician, watch, out, err, unit.console)


def test_an_error_in_the_middle_of_writing_the_key_is_told_without_it(technician, board, watch):
    """The injected error quotes the whole record in its text, as a careless library would."""
    injected = technician.home / "injected"
    injected.mkdir()
    (injected / "sitecustomize.py").write_text(INJECTED)
    environment = technician.environment()
    environment["PYTHONPATH"] += f":{injected}"

    process = technician.start("provision", "--verbose", environment=environment)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "RuntimeError" in err
    assert "[hidden]" in err
    assert_clean(technician, watch, out, err, board.console)
    with contextlib.closing(sqlite3.connect(technician.state / "journal.db")) as db:
        assert db.execute("SELECT state, error FROM step WHERE name = 'key'").fetchone() == ("failed", "internal")


def test_a_server_that_quotes_the_key_in_its_refusal_is_not_repeated(technician, board, chirpstack, watch, monkeypatch):
    from bench.server.errors import BadHex
    from bench.server.services import devices

    def refuse(message):
        raise BadHex(f"Invalid key {message.nwk_key} {message.nwk_key.upper()}")

    monkeypatch.setattr(devices, "_keys", refuse)
    process = technician.start("provision", "--verbose")
    out, err = process.communicate(timeout=60)

    assert process.returncode == 4
    assert "[hidden]" in out
    assert_clean(technician, watch, out, err, board.console)


def test_a_power_cut_while_the_key_is_written_is_told_without_it(technician, board, watch):
    for step in ("identify", "keys", "flash", "deploy"):
        technician.run(step)
    board.cut_power_at_write(2)

    process = technician.start("key", "--verbose")
    out, err = process.communicate(timeout=60)

    assert_clean(technician, watch, out, err, board.console)


@pytest.mark.parametrize("form", ["hex", "HEX", "list", "base64"])
def test_the_search_finds_what_it_looks_for(technician, watch, form):
    import base64

    technician.run("identify")
    technician.run("keys")
    with technician.vault() as vault:
        ((device, field, _),) = vault.entries()
        with vault.secret(device, field) as key:
            planted = {
                "hex": key.hex(),
                "HEX": key.hex().upper(),
                "list": str(list(key)),
                "base64": base64.b64encode(key).decode(),
            }[form]
    (technician.state / "cache").mkdir(exist_ok=True)
    (technician.state / "cache" / "note.txt").write_text(f"key: {planted}\n")

    with pytest.raises(AssertionError, match=r"note\.txt"):
        assert_clean(technician, watch)
