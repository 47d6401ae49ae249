"""register: make device and key known to the network server, with application, device profile and codec."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any

from provisioning import settings
from provisioning.errors import SettingsError
from provisioning.identity import check_app_key
from provisioning.locks import one_at_a_time
from provisioning.work import Work


class Register:
    """Look, then create; so it may be repeated, also after an answer that was lost on the way."""

    name = "register"
    needs = ("keys",)

    def fingerprint(self, work: Work) -> str:
        """Everything that stands on the server."""
        node = work.settings
        parts = [
            work.server_url,
            node.network.application,
            node.network.tenant,
            node.name,
            node.region,
            *(["class C"] if node.device_class == "C" else []),
            work.dev_eui,
            settings.join_eui(node),
            work.key_marks(),
            hashlib.sha256(codec().encode()).hexdigest(),
            f"nonces {work.nonces_restarted()}",
            *(f"{key}={value}" for key, value in sorted(tags(work).items())),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def still_true(self, work: Work) -> bool:
        """Whoever deletes a device on the server calls this step by its name."""
        return True

    def carry_out(self, work: Work) -> dict[str, Any]:
        """One at a time on this machine, or two nodes would each create the application they share."""
        from provisioning.network.chirpstack import Wanted

        node = work.settings
        wanted = Wanted(
            dev_eui=work.dev_eui,
            join_eui=settings.join_eui(node),
            name=node.name,
            application=node.network.application,
            tenant=node.network.tenant,
            region=node.region,
            tags=tags(work),
            device_class=node.device_class,
        )
        last = work.journal.step(work.device, self.name)
        restarted = work.nonces_restarted()
        forget = restarted > 0 and (last is None or last.result.get("nonces_restarted") != restarted)
        lock = one_at_a_time(work.options.state_dir / "locks", "server", wait=True)
        with work.app_key() as key, work.gen_app_key() as gen_app_key, lock:
            check_app_key(key)  # the server itself would take sixteen zeros
            registration = work.server().register(wanted, key, codec(), forget_nonces=forget, gen_app_key=gen_app_key)
        return {**registration.result(), "nonces_restarted": restarted}


def codec() -> str:
    """The JavaScript that decodes every Spatz payload, as generated from the profiles."""
    try:
        return files("firmware.payload").joinpath("generated", "spatz.js").read_text("utf-8")
    except OSError as error:
        raise SettingsError("codec-missing", reason=str(error)) from None


def tags(work: Work) -> dict[str, str]:
    """Tags by which the device is found again: the server searches names, not EUIs."""
    node = work.settings
    own = {"spatz_board": node.board, "spatz_profile": node.profile}
    if work.device.unit:
        own["spatz_unit"] = work.device.unit
    return {**node.network.tags, **own}


STEP = Register()
