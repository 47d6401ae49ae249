"""label: draw the label of a device into the state directory. Not part of the chain: paper is a matter of its own."""

from __future__ import annotations

from typing import Any

from provisioning.label import DeviceCode, png, svg
from provisioning.work import Work


class Label:
    """From the journal alone: it needs neither board nor vault nor network."""

    name = "label"
    needs = ("keys",)

    def fingerprint(self, work: Work) -> str:
        """Everything the label says."""
        return f"{work.dev_eui} {work.settings.name} {work.settings.board} {work.settings.profile}"

    def still_true(self, work: Work) -> bool:
        """The file is there."""
        return all(path.is_file() for path in self._paths(work))

    def carry_out(self, work: Work) -> dict[str, Any]:
        """SVG for the printer, PNG of the QR code for documents."""
        keys = work.done("keys")
        join_eui = keys.result["join_eui"] if keys else ""
        code = DeviceCode(join_eui, work.dev_eui, serial=_serial(work.settings.name))
        picture, dots = self._paths(work)
        picture.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        picture.write_text(svg(code, work.settings.name, work.settings.board, work.settings.profile), "utf-8")
        dots.write_bytes(png(code))
        return {"file": str(picture), "code": code.text()}

    def _paths(self, work: Work) -> tuple[Any, Any]:
        base = work.options.state_dir / "labels"
        return base / f"{work.settings.name}.svg", base / f"{work.settings.name}.png"


def _serial(name: str) -> str:
    """The name in the characters a QR code packs tightly; an underscore has no place there."""
    return name.upper().replace("_", "-")


STEP = Label()
