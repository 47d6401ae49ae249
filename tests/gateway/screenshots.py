"""`make screenshots`: the pictures of the status page in the documentation, from a run with the simulated city.

Nodes, radio and network server are the bench's; gateway, broker, `spatz` and browser are real. The pictures are made
once while all is well, and once in an outage of the broker.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from bench.demo.city import City, plans
from bench.demo.screen import PlainScreen
from tests.gateway.browser import DESK, PHONE, Browser

ASSETS = Path(__file__).resolve().parents[2] / "docs" / "assets"
_NODES = 6
_JOIN_PATIENCE_S = 180.0
_WELL_S = 45.0
_OUTAGE_S = 35.0
_SEED = 7
# A picture of letters and few colours needs no more; it keeps the repository small.
_COLOURS = 96
_MOST_BYTES = 150_000
_DESK_HEIGHT = 1180
_PHONE_HEIGHT = 1300


def main() -> int:
    """Make all pictures; 1 if one is too large."""
    with tempfile.TemporaryDirectory(prefix="spatz-screenshots-") as scratch:
        root = Path(scratch)
        with PlainScreen() as screen, City(root, plans(_NODES), _SEED) as city, Browser(root) as browser:
            url = f"http://127.0.0.1:{city.gateway.status_port}/"
            _as_in_a_city(city)
            city.provision_all(lambda name, step: None)
            _wait(city, screen, _JOIN_PATIENCE_S, until_joined=True)
            _wait(city, screen, _WELL_S)
            for language in ("en", "de"):
                _take(browser, f"{url}?lang={language}", f"gateway-page-desk-{language}.png")
                _take(browser, f"{url}?lang={language}", f"gateway-page-nodes-{language}.png", top=".part-nodes")
            city.broker.stop()
            _wait(city, screen, _OUTAGE_S)
            for language in ("en", "de"):
                _take(browser, f"{url}?lang={language}", f"gateway-page-phone-{language}.png", phone=True)
            _take(browser, f"{url}?lang=en", "gateway-page-dark.png", dark=True)
            city.broker.start()
    sizes = {file.name: file.stat().st_size for file in sorted(ASSETS.glob("gateway-page-*.png"))}
    for name, size in sizes.items():
        print(f"{name}: {size // 1000} kB")
    return int(any(size >= _MOST_BYTES for size in sizes.values()))


def _as_in_a_city(city: City) -> None:
    """A destination with a name, and this machine's clock taken for good: the page shall show a day like any other."""
    file = city.gateway.settings_file
    text = file.read_text().replace('name = "bench"', 'name = "dortmund"')
    file.write_text(text.replace("[gateway]\n", '[gateway]\nclock = "always"\n'))
    city.gateway.stop()
    city.gateway.start()


def _wait(city: City, screen: PlainScreen, seconds: float, until_joined: bool = False) -> None:
    """Keep the city's books for a while, or until every node has reported."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        city.keep_books(screen)
        nodes = city.ledger.nodes.values()
        if until_joined and not city.provisioning and all(node.joined and node.uplinks > 1 for node in nodes):
            return
        time.sleep(0.2)


def _take(
    browser: Browser, url: str, name: str, *, phone: bool = False, dark: bool = False, top: str | None = None
) -> None:
    browser.open(url, PHONE if phone else DESK, dark=dark, calm=True)
    file = ASSETS / name
    browser.picture(file, None if top else _PHONE_HEIGHT if phone else _DESK_HEIGHT, top)
    with Image.open(io.BytesIO(file.read_bytes())) as image:
        image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
