"""A whole run (tools, node, gateway, broker, server) leaves no key behind, but in the vault and on the node."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from chirpstack_api import api

from bench.demo.city import City
from bench.rig import Rig, VirtualRig, wait_until
from provisioning.redaction import spellings
from provisioning.vault import open_vault

pytestmark = pytest.mark.live


def keys_of(city: City, name: str) -> dict[str, bytes]:
    """The AppKey from the vault, the session keys from the server."""
    passphrase = bytearray(city.passphrase_file.read_text().strip(), "utf-8")
    with open_vault(city.state_dir / "vault.spatz", passphrase) as vault:
        keys = {}
        for device, field, _ in vault.entries():
            with vault.secret(device, field) as secret:
                keys[f"{device} {field}"] = bytes(secret)
    token = city.server.token_file.read_text().strip()
    with grpc.insecure_channel(city.server.grpc) as channel:
        activation = (
            api.DeviceServiceStub(channel)
            .GetActivation(
                api.GetDeviceActivationRequest(dev_eui=city.dev_eui(name)),
                metadata=[("authorization", f"Bearer {token}")],
                timeout=10,
            )
            .device_activation
        )
    keys["AppSKey"] = bytes.fromhex(activation.app_s_key)
    keys["NwkSKey"] = bytes.fromhex(activation.nwk_s_enc_key)
    return keys


def places(city: City, name: str) -> dict[str, bytes]:
    """Everything that the run left on the disk or printed, but vault, secrets given by us, and the node's flash."""
    board = city.nodes[name].board
    own = {city.state_dir / "vault.spatz", city.passphrase_file, city.server.token_file, board.flash_file}
    found = {
        str(path): path.read_bytes() for path in sorted(city.root.rglob("*")) if path.is_file() and path not in own
    }
    found["console of the node"] = board.console.encode()
    for process in (city.gateway.pid, city.server.pid):
        found[f"arguments of {process}"] = Path(f"/proc/{process}/cmdline").read_bytes()
    return found


def leaks(keys: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """Which key stands where, in any spelling."""
    return [
        f"{name} in {place}"
        for name, key in keys.items()
        for place, content in found.items()
        if key in content or any(form.lower().encode() in content.lower() for form in spellings(key))
    ]


def test_no_key_of_a_whole_run_is_anywhere_but_in_the_vault_and_on_the_node(rig: Rig) -> None:
    if not isinstance(rig, VirtualRig):
        pytest.skip("only a virtual rig can be searched whole")
    assert wait_until(lambda: len(rig.readings()) > 0, 60)
    keys = keys_of(rig.city, "bin-1")
    found = places(rig.city, "bin-1")

    assert len(keys) >= 3
    assert any(place.endswith("gateway.log") for place in found)
    assert leaks(keys, found) == []
    # The search would find one: the node's flash holds the AppKey.
    flash = {"flash of the node": rig.city.nodes["bin-1"].board.flash_file.read_bytes()}
    assert leaks(keys, flash)
