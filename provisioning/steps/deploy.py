"""deploy: bring the node's software and settings onto its flash, file by file, checked by hash."""

from __future__ import annotations

from typing import Any

from provisioning import bundle
from provisioning.board_link import plan_changes
from provisioning.errors import WrongBoard
from provisioning.work import Work

# What this step looks after. Queue, calibration history and LoRaWAN state are the node's own.
ROOTS = ("/lib/firmware", "/node.json", "/main.py")


class Deploy:
    """Files that are up to date are left alone; files that no module needs any more are removed."""

    name = "deploy"
    needs = ("identify", "flash")

    def fingerprint(self, work: Work) -> str:
        """Every byte of the bundle, the unit, and the flashing it lies on."""
        digest = bundle.bundle_digest(bundle.digests(self._bundle(work)).items())
        return f"{work.device.unit} flash {work.attempts('flash')} {digest}"

    def still_true(self, work: Work) -> bool:
        """Nothing but this tool writes these files."""
        return True

    def carry_out(self, work: Work) -> dict[str, Any]:
        """`main.py` goes first when it goes and comes last when it comes: half a program is never started."""
        files = self._bundle(work)
        link = work.link()
        found = link.describe()
        if int(found["mpy"]) & 0xFF != bundle.MPY_FORMAT:
            raise WrongBoard("mpy-format", release=found["release"], wanted=bundle.MPY_FORMAT)
        to_write, to_remove = plan_changes(bundle.digests(files), link.hashes(ROOTS))
        if to_write:
            link.remove(["/main.py"])
            if "/main.py" not in to_write:
                to_write.append("/main.py")
        link.remove(to_remove)
        for count, path in enumerate(to_write, 1):
            work.progress(f"{path} ({count}/{len(to_write)})")
            link.write(path, files[path])
        size = sum(len(content) for content in files.values())
        return {
            "files": len(files),
            "written": len(to_write),
            "removed": len(to_remove),
            "bytes": size,
            "config_hash": bundle.digests(files)["/node.json"][:8],
            "release": found["release"],
        }

    def _bundle(self, work: Work) -> dict[str, bytes]:
        return bundle.build(work.settings, work.options.state_dir / "cache" / "mpy", work.redactor)


STEP = Deploy()
