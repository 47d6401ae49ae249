"""A board at its MicroPython prompt, over mpremote's library.

The library, not the command: what is written may be a key, and a command line is readable by every user of the
machine. Every operation has a deadline. mpremote's own reads give up after silence, but a board that never stops
talking would hold them for ever, so a timer closes the port under them.

mpremote writes to the standard output when something goes wrong, with whatever the board sent. That text is
caught and dropped; errors of ours say what failed without quoting it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from provisioning.errors import BoardError, BoardSilent, PortError

_log = logging.getLogger(__name__)
SERIAL_TIMEOUT_S = 1.0  # of one read; finite also on a pseudo terminal, where mpremote would block
PROMPT_TRIES = 2
PROMPT_DEADLINE_S = 6.0  # of one try, soft reset included
CHUNK_BYTES = 1024  # a chunk and its literal must fit into the heap of the smallest board

# Helpers on the board. Names start with `_s` so as not to meet anything else in the prompt's namespace.
_HELPERS = """
import os as _so, hashlib as _sh, binascii as _sb
def _shash(p):
 h=_sh.sha256();b=bytearray(512)
 with open(p,'rb') as f:
  while True:
   n=f.readinto(b)
   if not n: break
   h.update(b if n==512 else bytes(b[:n]))
 return _sb.hexlify(h.digest()).decode()
def _slist(p):
 try: m=_so.stat(p)[0]
 except OSError: return
 if m&0x4000:
  for e in _so.ilistdir(p): _slist(p+'/'+e[0])
 else: print(_shash(p),p)
def _sdirs(p):
 i=p.find('/',1)
 while i>0:
  try: _so.mkdir(p[:i])
  except OSError: pass
  i=p.find('/',i+1)
def _srm(p):
 try: _so.remove(p)
 except OSError: pass
"""


class BoardLink:
    """An open prompt. Use as a context manager; on entry the running program is stopped and the heap is fresh."""

    def __init__(self, port: str) -> None:
        self.port = port
        self._transport: Any = None
        self._helpers_sent = False

    def __enter__(self) -> BoardLink:
        from mpremote.transport_serial import SerialTransport

        _log.info("open the prompt at %s", self.port)
        with self._guarded(PROMPT_DEADLINE_S * PROMPT_TRIES + 5):
            self._transport = SerialTransport(self.port, timeout=SERIAL_TIMEOUT_S)
            self._enter_prompt()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):
            if self._transport.in_raw_repl:
                self._transport.exit_raw_repl()
        self._close()

    def _enter_prompt(self) -> None:
        from mpremote.transport import TransportError

        for remaining in reversed(range(PROMPT_TRIES)):
            try:
                self._transport.enter_raw_repl(soft_reset=True, timeout_overall=PROMPT_DEADLINE_S)
            except TransportError:
                if not remaining:
                    self._close()
                    raise
            else:
                return

    def _close(self) -> None:
        if self._transport is not None:
            with contextlib.suppress(Exception):
                self._transport.close()

    @contextlib.contextmanager
    def _guarded(self, deadline_s: float) -> Iterator[None]:
        """Bound in time, silent, and every failure of the library turned into one of ours."""
        from mpremote.transport import TransportError, TransportExecError

        timer = threading.Timer(deadline_s, self._close)
        timer.daemon = True
        timer.start()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except TransportExecError as error:
            raise BoardError("board-exception", port=self.port, reason=_last_line(error.error_output)) from None
        except TransportError as error:
            if "failed to access" in str(error):
                raise PortError("port-busy", port=self.port) from None
            raise BoardSilent("board-silent", port=self.port) from None
        except (OSError, TypeError, ValueError, AttributeError) as error:
            # What pyserial raises when the port vanishes, or is closed under it by the timer.
            if timer.is_alive() and isinstance(error, (ValueError, AttributeError)):
                raise
            raise BoardSilent("board-silent", port=self.port) from None
        finally:
            timer.cancel()

    def run(self, code: str, deadline_s: float = 15.0) -> str:
        """Run Python on the board and return what it printed. The code may hold a secret; errors never quote it."""
        with self._guarded(deadline_s):
            if not self._helpers_sent:
                self._transport.exec(_HELPERS)
                self._helpers_sent = True
            output: bytes = self._transport.exec(code)
        return output.decode("utf-8", "replace").replace("\r\n", "\n")

    def hashes(self, roots: Sequence[str]) -> dict[str, str]:
        """SHA-256 (hex) of every file at or below these paths."""
        lines = self.run("".join(f"_slist({root!r})\n" for root in roots), deadline_s=120.0).splitlines()
        return {path: digest for digest, path in (line.split(" ", 1) for line in lines if line)}

    def write(self, path: str, data: bytes | bytearray) -> None:
        """Write a file beside its place, compare the hash, then rename: a cut leaves the old file or the new."""
        _log.info("write %s, %d bytes", path, len(data))
        draft = f"{path}.new"
        self.run(f"_sdirs({path!r});_sf=open({draft!r},'wb')")
        for start in range(0, len(data), CHUNK_BYTES):
            chunk = base64.b64encode(data[start : start + CHUNK_BYTES]).decode()
            self.run(f"_sf.write(_sb.a2b_base64(b'{chunk}'));None")
        found = self.run(f"_sf.close();print(_shash({draft!r}))").strip()
        if found != hashlib.sha256(data).hexdigest():
            self.run(f"_srm({draft!r})")
            raise BoardError("board-write", port=self.port, path=path)
        self.run(f"_so.rename({draft!r},{path!r})")

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files; those that are not there are no error."""
        for path in paths:
            self.run(f"_srm({path!r})")

    def start(self) -> None:
        """Reset the board, so that its program starts as after power-on."""
        with self._guarded(10.0):
            self._transport.exec_raw_no_follow("import time,machine\ntime.sleep_ms(50)\nmachine.reset()")
            self._transport.in_raw_repl = False  # there is no prompt to leave any more

    def enter_boot_loader(self) -> None:
        """Restart the board into its boot loader, where it can."""
        with self._guarded(10.0):
            self._transport.exec_raw_no_follow("import time,machine\ntime.sleep_ms(50)\nmachine.bootloader()")
            self._transport.in_raw_repl = False

    def describe(self) -> dict[str, str]:
        """What runs on the board: `machine`, `release`, `mpy` (the .mpy format number) and `unit` (unique id, hex)."""
        answer = self.run(
            "import sys,machine\n"
            "i=sys.implementation\n"
            "print('machine',getattr(i,'_machine','?'))\n"
            "print('release','.'.join(str(n) for n in i.version[:3]))\n"
            "print('mpy',getattr(i,'_mpy',0))\n"
            "print('unit',_sb.hexlify(machine.unique_id()).decode())\n"
        )
        return dict(line.split(" ", 1) for line in answer.splitlines() if " " in line)


def plan_changes(wanted: Mapping[str, str], present: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Compare hashes: (paths to write, in the order of `wanted`; paths to remove, sorted)."""
    to_write = [path for path, digest in wanted.items() if present.get(path) != digest]
    to_remove = sorted(path for path in present if path not in wanted)
    return to_write, to_remove


def _last_line(text: str) -> str:
    """The error itself, without the traceback, whose lines could quote what was sent."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "?"
