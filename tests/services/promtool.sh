#!/usr/bin/env bash
# promtool, from the distribution's package of Prometheus, unpacked but not installed: the package
# would start a server.
#   promtool.sh install DIR      gives DIR/promtool
set -euo pipefail
[ "${1:-}" = install ] && [ $# = 2 ] || {
  echo 'usage: promtool.sh install DIR' >&2
  exit 2
}
[ -x "$2/promtool" ] && exit 0
mkdir -p "$2"
cd "$2"
apt-get -q download prometheus >/dev/null 2>&1 || {
  if [ "$(id -u)" = 0 ]; then apt-get -q update >/dev/null; else sudo apt-get -q update >/dev/null; fi
  apt-get -q download prometheus >/dev/null
}
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin/promtool
rm -f prometheus_*.deb
