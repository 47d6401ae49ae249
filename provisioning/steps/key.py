"""key: put identity and AppKey on the node. The key goes over the serial line and nowhere else."""

from __future__ import annotations

import hashlib
from typing import Any

from firmware.lorawan.ids import Eui
from firmware.lorawan.store import pack_identity
from provisioning import settings
from provisioning.vault import wipe
from provisioning.work import Work

IDENTITY = "/lorawan/identity"
NONCE = "/lorawan/nonce"
# A session made with another identity: the node must join anew. The DevNonce counts on, it is never used twice.
SESSION = ("/lorawan/hot", "/lorawan/cold")


class Key:
    """Written beside, compared by hash, renamed. What is read back is the hash only."""

    name = "key"
    needs = ("identify", "keys", "deploy")

    def fingerprint(self, work: Work) -> str:
        """The identity (by the key's mark), the unit, and the flashing it lies on."""
        return f"{work.device.unit} flash {work.attempts('flash')} {_euis(work)} {work.key_marks()}"

    def still_true(self, work: Work) -> bool:
        """Nothing but this tool writes the identity."""
        return True

    def carry_out(self, work: Work) -> dict[str, Any]:
        """The record may be there already, from an attempt that was cut after writing."""
        link = work.link()
        present = link.hashes([IDENTITY, NONCE])
        with work.app_key() as key, work.gen_app_key() as gen_app_key:
            record = _identity_record(work, key, gen_app_key)
            try:
                if present.get(IDENTITY) == hashlib.sha256(record).hexdigest():
                    written = False
                else:
                    work.redactor.hide(record)
                    link.remove(SESSION)
                    link.write(IDENTITY, record)
                    written = True
            finally:
                wipe(record)
        return {"written": written, "nonces_kept": NONCE in present}


def _identity_record(work: Work, key: bytearray, gen_app_key: bytearray) -> bytearray:
    dev_eui: Any = Eui.from_hex(work.dev_eui)  # device code has no annotations
    join_eui: Any = Eui.from_hex(settings.join_eui(work.settings))
    return bytearray(pack_identity(dev_eui, join_eui, key, gen_app_key))


def _euis(work: Work) -> str:
    return f"{work.dev_eui} {settings.join_eui(work.settings)}"


STEP = Key()
