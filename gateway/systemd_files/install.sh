#!/bin/sh
# Installs the gateway as a service on Debian or Raspberry Pi OS: user, directories, settings, unit. Run as root from
# the source directory. Safe to repeat; an existing settings file is left alone.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
source_dir="$(cd "$here/../.." && pwd)"

[ "$(id -u)" = 0 ] || { echo "run this as root" >&2; exit 3; }
getent passwd spatz >/dev/null || useradd --system --home-dir /var/lib/spatz --shell /usr/sbin/nologin spatz
[ -x /opt/spatz/bin/python ] || python3 -m venv /opt/spatz
/opt/spatz/bin/python -m pip install --quiet --upgrade "$source_dir[gateway]"
install -d -m 0750 -o root -g spatz /etc/spatz
install -d -m 0700 -o spatz -g spatz /var/lib/spatz
[ -e /etc/spatz/gateway.toml ] || install -m 0640 -o root -g spatz "$here/gateway.toml" /etc/spatz/gateway.toml
install -m 0644 "$here/spatz-gateway.service" /etc/systemd/system/spatz-gateway.service
/opt/spatz/bin/spatz-gateway check --config /etc/spatz/gateway.toml
systemctl daemon-reload
systemctl enable --now spatz-gateway
/opt/spatz/bin/spatz-gateway doctor --config /etc/spatz/gateway.toml || true
