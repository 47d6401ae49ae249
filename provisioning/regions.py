"""The regions that a node can be given, and how others spell them.

One home for the list: the pages of facts in `firmware.lorawan.regions`. What people write is `EU868` or `AS923-2`.
"""

from __future__ import annotations

from importlib.resources import files


def known_regions() -> tuple[str, ...]:
    """Names of all regions, sorted."""
    pages = (page.name for page in files("firmware.lorawan.regions").iterdir())
    return tuple(
        sorted(
            name.removesuffix(".py").upper().replace("_", "-")
            for name in pages
            if name.endswith(".py") and not name.startswith("_")
        )
    )


def chirpstack_name(region: str) -> str:
    """The name in ChirpStack's enumeration `Region`, which calls AS923-1 just AS923."""
    return region.removesuffix("-1").replace("-", "_")
