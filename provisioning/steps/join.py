"""join: let the node run and see that the network server takes it in."""

from __future__ import annotations

from typing import Any

from provisioning.errors import NotJoined
from provisioning.work import APP_KEY, Work

HINT_S = 2.0  # how long to listen for what the server has noted; it repeats recent events at once
HINTS = 5


class Join:
    """Proof is the session on the server. `register` ends an old one when the node begins anew."""

    name = "join"
    needs = ("register",)

    def fingerprint(self, work: Work) -> str:
        """The device, its key, its nonces, and the server."""
        mark = work.vault().mark(work.dev_eui, APP_KEY)
        return f"{work.server_url} {work.dev_eui} {mark} nonces {work.nonces_restarted()}"

    def still_true(self, work: Work) -> bool:
        """A joined node stays joined; losing it is monitoring's business."""
        return True

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Ask until the session is there or the deadline has passed."""
        from provisioning.network.chirpstack import wait_for_join

        work.let_node_run()
        server = work.server()
        dev_addr = wait_for_join(server, work.dev_eui, work.options.join_deadline_s)
        if dev_addr is None:
            seen = [item.description for item in server.events(work.dev_eui, HINT_S)][-HINTS:]
            raise NotJoined(
                "not-joined",
                eui=work.dev_eui,
                seconds=round(work.options.join_deadline_s),
                seen=work.redactor.clean_foreign("; ".join(filter(None, seen))) or "-",
            )
        return {"dev_addr": dev_addr}


STEP = Join()
