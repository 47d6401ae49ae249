"""Builds the Debian package of the gateway: `make deb`, or `python packaging/build_deb.py --arch arm64`.

Everything the program needs beyond Debian 12's Python lies in the package, unpacked under /usr/lib/spatz-gateway:
nothing is fetched and nothing is built when it is installed, so a mast without network is no obstacle, and dpkg knows
every file. The price: a package is made for one processor and for Python 3.11. Wheels for amd64 and arm64 are public;
for 32-bit Raspberry Pi OS (armhf) they are not, there pip and a virtual environment are the way.
"""

from __future__ import annotations

import argparse
import datetime
import email.utils
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "packaging"
HOME = "usr/lib/spatz-gateway"
PYTHON = "3.11"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
# Debian 12 has glibc 2.36; wheels say the oldest they run on.
GLIBC_MINORS = range(5, 37)
OLD_NAMES = ("manylinux1", "manylinux2010", "manylinux2014")
# What of our own wheel and of others a gateway never imports; chirpstack_api.gw needs no gRPC either.
UNUSED = (
    "bin",
    "bench",
    "provisioning",
    *(f"firmware/{room}" for room in ("boards", "drivers", "node", "payload", "radio")),
    *(f"chirpstack_api/{room}" for room in ("api", "integration", "stream", "meta")),
)
WITHOUT_DEPENDENCIES = ("chirpstack-api",)
LAUNCHER = f"""#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "/{HOME}")
from gateway.__main__ import main

main()
"""
CONTROL = """Package: spatz-gateway
Version: {version}
Architecture: {arch}
Maintainer: The Spatz authors <spatz@spatz.example>
Installed-Size: {size_kib}
Depends: adduser, libc6 (>= 2.28), libstdc++6, python3 (>= 3.11~), python3 (<< 3.12), python3.11
Recommends: ca-certificates, chrony | time-daemon
Suggests: mosquitto
Section: net
Priority: optional
Homepage: https://spatz.example/docs
Description: store-and-forward LoRaWAN gateway
 Takes uplinks from LoRa concentrators (Semtech UDP, Basics Station, ChirpStack
 Concentratord), stores every frame before it is acknowledged, and relays it to
 one or more network servers. What came in while the network was away is sent
 later, in order, with the time at which it was really received.
"""


def main() -> None:
    """Build one package and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--arch", choices=sorted(MACHINES), default=_this_machine())
    parser.add_argument("--wheels", type=Path, help="a directory of wheels to use instead of the package index")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        print(build(Path(scratch), options.arch, options.out, options.wheels))  # noqa: T201


def _this_machine() -> str:
    return {machine: arch for arch, machine in MACHINES.items()}.get(os.uname().machine, "amd64")


def build(scratch: Path, arch: str, out: Path, wheels: Path | None) -> Path:
    """Gather, arrange, and hand over to dpkg-deb."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    gathered = scratch / "wheels"
    _gather(gathered, project, arch, wheels)
    tree = scratch / "tree"
    _program(tree, gathered, arch)
    _files(tree, project["version"])
    _control(tree, project["version"], arch)
    package = out / f"spatz-gateway_{project['version']}_{arch}.deb"
    _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(package))
    return package


def _last_change() -> str:
    """Unix time of the last commit, in seconds; without a repository, now."""
    log = ["git", "log", "-1", "--format=%ct"]
    found = subprocess.run(log, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return found or str(int(time.time()))


def _run(*command: str) -> None:
    # Same sources, same package: everything in it carries the time of the last change.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _last_change()}
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=sys.stderr)


def _pip(*arguments: str) -> None:
    _run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def _target(arch: str) -> list[str]:
    machine = MACHINES[arch]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS] + [f"{n}_{machine}" for n in OLD_NAMES]
    chosen = [word for platform in platforms for word in ("--platform", platform)]
    return [*chosen, "--python-version", PYTHON, "--implementation", "cp", "--only-binary=:all:"]


def _gather(gathered: Path, project: dict[str, object], arch: str, wheels: Path | None) -> None:
    """Wheels of the program and of everything it needs."""
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["gateway"]]  # type: ignore[misc,index]
    alone = [one for one in wanted if one.startswith(WITHOUT_DEPENDENCIES)]
    rest = [one for one in wanted if one not in alone]
    index = [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    _pip("wheel", "--no-deps", "--wheel-dir", str(gathered), str(ROOT))
    _pip("wheel", "--no-deps", "--wheel-dir", str(gathered), *index, *alone)
    _pip("download", "--dest", str(gathered), *index, *_target(arch), *rest, "protobuf")


def _program(tree: Path, gathered: Path, arch: str) -> None:
    home = tree / HOME
    home.mkdir(parents=True)
    _pip(
        *("install", "--no-deps", "--no-index", "--no-compile", "--target", str(home), *_target(arch)),
        *(str(wheel) for wheel in sorted(gathered.glob("*.whl"))),
    )
    for name in UNUSED:
        shutil.rmtree(home / name, ignore_errors=True)
    for rubbish in (*home.rglob("tests"), *home.rglob("*.pyi"), *home.rglob("*.pxd"), *home.rglob("*.pyx")):
        shutil.rmtree(rubbish, ignore_errors=True) if rubbish.is_dir() else rubbish.unlink(missing_ok=True)
    launcher = tree / "usr/bin/spatz-gateway"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(LAUNCHER, encoding="utf-8")
    _set_modes(tree)
    launcher.chmod(0o755)


def _set_modes(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _files(tree: Path, version: str) -> None:
    """Settings, unit, manual, licence, changelog."""
    doc = tree / "usr/share/doc/spatz-gateway"
    places = {
        HERE / "gateway.toml": tree / "etc/spatz/gateway.toml",
        HERE / "spatz-gateway.service": tree / "lib/systemd/system/spatz-gateway.service",
        HERE / "debian/copyright": doc / "copyright",
        HERE / "debian/lintian-overrides": tree / "usr/share/lintian/overrides/spatz-gateway",
    }
    for source, target in places.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    manual = tree / "usr/share/man/man1/spatz-gateway.1.gz"
    manual.parent.mkdir(parents=True)
    _zip(manual, (HERE / "debian/spatz-gateway.1").read_bytes())
    _zip(doc / "changelog.gz", _changelog(version).encode())
    _zip(doc / "CHANGELOG.md.gz", (ROOT / "CHANGELOG.md").read_bytes())
    _set_modes(tree / "usr/share")
    _set_modes(tree / "etc")
    _set_modes(tree / "lib")


def _changelog(version: str) -> str:
    """What Debian wants to read; the real one is CHANGELOG.md beside it."""
    when = email.utils.format_datetime(datetime.datetime.fromtimestamp(int(_last_change()), datetime.UTC))
    return f"""spatz-gateway ({version}) bookworm; urgency=medium

  * See CHANGELOG.md.gz.

 -- The Spatz authors <spatz@spatz.example>  {when}
"""


def _zip(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, 9, mtime=0))


def _control(tree: Path, version: str, arch: str) -> None:
    files = [path for path in tree.rglob("*") if path.is_file()]
    size_kib = sum(path.stat().st_size for path in files) // 1024
    control = tree / "DEBIAN"
    control.mkdir()
    control.chmod(0o755)
    fields = CONTROL.format(version=version, arch=arch, size_kib=size_kib)
    (control / "control").write_text(fields, encoding="utf-8")
    (control / "conffiles").write_text("/etc/spatz/gateway.toml\n", encoding="utf-8")
    for name in ("postinst", "prerm", "postrm"):
        shutil.copyfile(HERE / "debian" / name, control / name)
        (control / name).chmod(0o755)


if __name__ == "__main__":
    main()
