"""`spatz frame decode`: what is in a frame, as far as the keys at hand open it.

Where the keys come from:

- none: the clear fields;
- `--app-key`, or `--nwk-skey` and `--app-skey`: given as digits for published test vectors, or as `@FILE` for keys
  that are nobody else's business (a command line can be read by every user of the machine);
- `--device EUI`: the AppKey from the vault. It opens join frames. For data frames the session is derived from the join
  that began it (`--join-request`, `--join-accept`), or, only when `--server` is given, asked from the network server.

Keys from vault, file or server are never printed. Session keys derived from an AppKey given as digits are, because
test vectors name them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich_click as click

from provisioning.cli.options import Session, new_session, output_options, read_text, server_options, state_options
from provisioning.cli.output import Output
from provisioning.errors import ServerError, SettingsError
from provisioning.identity import parse_eui
from provisioning.vault import wipe
from provisioning.work import APP_KEY

_SESSION_KEYS = ("NwkSKey", "AppSKey")


@dataclass(slots=True)
class Keys:
    """16-byte keys as far as they are known. `secret`: they must not be shown."""

    app_key: bytearray | None = None
    nwk_skey: bytearray | None = None
    app_skey: bytearray | None = None
    secret: bool = False

    def wipe(self) -> None:
        """Overwrite them."""
        for key in (self.app_key, self.nwk_skey, self.app_skey):
            if key is not None:
                wipe(key)


@click.group()
def frame() -> None:
    """Look into LoRaWAN frames."""


@frame.command()
@click.argument("phy_payload", metavar="HEX")
@click.option("--device", metavar="EUI", help="Keys of this device from the vault.")
@click.option("--app-key", metavar="K", help="AppKey: 32 digits of a test vector, or @FILE.")
@click.option("--nwk-skey", metavar="K", help="NwkSKey: 32 digits of a test vector, or @FILE.")
@click.option("--app-skey", metavar="K", help="AppSKey: 32 digits of a test vector, or @FILE.")
@click.option("--join-request", metavar="HEX", help="The Join-Request that began the session.")
@click.option("--join-accept", metavar="HEX", help="The Join-Accept that answered it.")
@click.option("--dev-nonce", type=click.IntRange(0, 0xFFFF), help="DevNonce, for the session keys of a Join-Accept.")
@click.option("--fcnt", type=click.IntRange(0, 0xFFFFFFFF), help="The whole 32-bit counter; else its upper half is 0.")
@server_options
@state_options
@output_options
@click.pass_obj
def decode(output: Output, /, phy_payload: str, fcnt: int | None, dev_nonce: int | None, **options: Any) -> None:
    """Take the frame HEX (PHYPayload) apart.

    With --device the AppKey comes from the vault; a data frame also needs --join-request and --join-accept of its
    session, or --server, which then is asked for the present session.
    """
    named = ("device", "app_key", "nwk_skey", "app_skey", "join_request", "join_accept")
    given = {name: options.pop(name) for name in named}
    session = new_session(output, **options)
    data = _frame(phy_payload)
    joining = data[:1] and data[0] & 0xE0 in (0x00, 0x20)
    with _keys(session, given, joining=bool(joining)) as keys:
        if given["join_request"] and dev_nonce is None:
            dev_nonce = explain(_frame(given["join_request"]))["dev_nonce"]
        found = explain(data, keys, fcnt=fcnt, dev_nonce=dev_nonce)
        if keys.secret:
            for name in _SESSION_KEYS:
                found.pop(name, None)
    output.event(found)
    if not output.as_json:
        for line in _lines(found):
            output.line(line)


def explain(
    data: bytes, keys: Keys | None = None, *, fcnt: int | None = None, dev_nonce: int | None = None
) -> dict[str, Any]:
    """The frame in words, with the names of the test vectors. SettingsError when it is none."""
    from firmware.lorawan.errors import Malformed
    from firmware.lorawan.explain import explain as take_apart

    keys = keys or Keys()
    try:
        found: dict[str, Any] = take_apart(  # device code has no annotations
            data,
            app_key=_plain(keys.app_key),
            nwk_skey=_plain(keys.nwk_skey),
            app_skey=_plain(keys.app_skey),
            fcnt32=fcnt,
            dev_nonce=dev_nonce,
        )
    except Malformed as error:
        raise SettingsError("frame-malformed", reason=str(error)) from None
    return found


@contextlib.contextmanager
def _keys(session: Session, given: dict[str, str | None], *, joining: bool) -> Iterator[Keys]:
    """The keys the options lead to, wiped at the end."""
    if given["device"] and (given["app_key"] or given["nwk_skey"] or given["app_skey"]):
        raise SettingsError("frame-keys", reason="--device takes its keys from the vault; leave the other keys out")
    if bool(given["join_request"]) != bool(given["join_accept"]):
        raise SettingsError("frame-keys", reason="--join-request and --join-accept are given together")
    keys = Keys()
    try:
        for name in ("app_key", "nwk_skey", "app_skey"):
            if (text := given[name]) is not None:
                setattr(keys, name, _key(session, text, f"--{name.replace('_', '-')}"))
                keys.secret |= text.startswith("@")
        if given["device"]:
            keys.secret = True
            _from_vault(session, parse_eui(given["device"], where="--device"), keys, given, joining=joining)
        if given["join_request"] and given["join_accept"] and not joining:
            _derive(keys, given["join_request"], given["join_accept"])
        if keys.secret:
            for key in (keys.app_key, keys.nwk_skey, keys.app_skey):
                if key is not None:
                    session.redactor.hide(key)
        yield keys
    finally:
        keys.wipe()


def _from_vault(session: Session, dev_eui: str, keys: Keys, given: dict[str, str | None], *, joining: bool) -> None:
    if joining or given["join_request"]:
        with session.open_vault() as vault:
            vault.mark(dev_eui, APP_KEY)  # says in words that there is none
            with vault.secret(dev_eui, APP_KEY) as key:
                keys.app_key = bytearray(key)
    elif session.server:
        present = session.open_server().session_keys(dev_eui)
        if present is None:
            raise ServerError("not-joined-yet", eui=dev_eui)
        keys.nwk_skey, keys.app_skey, _ = present


def _derive(keys: Keys, request: str, accept: str) -> None:
    """The session keys of the join these two frames made."""
    if keys.app_key is None:
        raise SettingsError("frame-keys", reason="the join opens only with an AppKey: --device or --app-key")
    asked = explain(_frame(request), keys)
    answered = explain(_frame(accept), keys, dev_nonce=asked.get("dev_nonce"))
    if not (asked.get("mic_valid") and answered.get("mic_valid")):
        raise SettingsError("frame-keys", reason="the join frames are not of this AppKey: their MIC is wrong")
    keys.nwk_skey, keys.app_skey = (bytearray.fromhex(answered[name]) for name in _SESSION_KEYS)


def _key(session: Session, text: str, where: str) -> bytearray:
    digits = read_text(Path(text[1:])).strip() if text.startswith("@") else text
    try:
        key = bytearray.fromhex(digits)
    except ValueError:
        key = bytearray()
    if len(key) != 16:
        session.redactor.hide(digits)
        raise SettingsError("key-malformed", where=where)
    return key


def _frame(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise SettingsError("frame-malformed", reason="not hexadecimal digits in pairs") from None


def _plain(key: bytearray | None) -> bytes | None:
    return None if key is None else bytes(key)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    width = max(len(name) for name in found)
    for name, value in found.items():
        if name == "commands":
            for command in value:
                rest = {key: item for key, item in command.items() if key != "command"}
                told = " ".join(f"{key}={item}" for key, item in rest.items())
                yield f"{'command'.ljust(width)}  {command['command'] or '?'}  {told}".rstrip()
        else:
            yield f"{name.ljust(width)}  {value}"
