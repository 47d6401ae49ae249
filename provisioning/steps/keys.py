"""keys: give the device its DevEUI and an AppKey of its own, kept in the vault."""

from __future__ import annotations

from typing import Any

from provisioning import identity, settings
from provisioning.errors import SettingsError, StepOrder
from provisioning.vault import wipe
from provisioning.work import APP_KEY, Work


class Keys:
    """The EUI is committed to the journal before a key is made for it, so a kill between leaves no orphan."""

    name = "keys"
    needs = ("identify",)

    def fingerprint(self, work: Work) -> str:
        """Where the DevEUI comes from, the JoinEUI, and which keys beside the AppKey there are."""
        more = "".join(f" {field}" for field in work.key_fields if field != APP_KEY)
        return f"{work.settings.identity.dev_eui} {settings.join_eui(work.settings)}{more}"

    def still_true(self, work: Work) -> bool:
        """The vault has the keys."""
        dev_eui = work.device.dev_eui
        return dev_eui is not None and all(work.vault().has(dev_eui, field) for field in work.key_fields)

    def carry_out(self, work: Work) -> dict[str, Any]:
        """A key that is in the vault already stays: making another would lock the node out."""
        dev_eui = _dev_eui(work)
        if dev_eui != work.device.dev_eui:
            work.journal.set_dev_eui(work.device, dev_eui)
            work.refresh()
        vault = work.vault()
        created = not vault.has(dev_eui, APP_KEY)
        for field in work.key_fields:
            if vault.has(dev_eui, field):
                continue
            key = identity.new_app_key()
            work.redactor.hide(key)
            try:
                vault.put(dev_eui, field, key)
            finally:
                wipe(key)
        return {
            "dev_eui": dev_eui,
            "join_eui": settings.join_eui(work.settings),
            "local_eui": identity.is_local(dev_eui),
            "created": created,
            "mark": vault.mark(dev_eui, APP_KEY),
        }


def _dev_eui(work: Work) -> str:
    asked = work.settings.identity.dev_eui
    if asked == "mac":
        if work.device.unit is None:
            raise StepOrder("step-needs", step="keys", needs="identify")
        unit = bytes.fromhex(work.device.unit)
        if len(unit) != identity.MAC_BYTES:
            raise SettingsError("mac-none", board=work.settings.board)
        return identity.dev_eui_from_mac(unit)
    if asked == "random":
        known = work.device.dev_eui
        return known if known is not None and identity.is_local(known) else identity.random_dev_eui()
    return identity.parse_eui(asked, where="identity.dev_eui")


STEP = Keys()
