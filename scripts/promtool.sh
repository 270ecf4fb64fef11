#!/bin/sh
# Puts Prometheus' promtool into .venv, with which the tests evaluate docs/alerts.yml. Does nothing where there is one.
# Debian has it in the package of the server, which brings 300 MB and starts a daemon: so that package is unpacked, not
# installed. Where it cannot be had, the tests that need it are skipped.
set -eu
cd "$(dirname "$0")/.."

into=$PWD/.venv/bin/promtool
[ ! -x "$into" ] && ! command -v promtool >/dev/null || exit 0

missing() {
    echo "setup: no promtool ($1): the sample alerts are not evaluated" >&2
    exit 0
}
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || missing "it is taken from a package of Debian's"

root=""
[ "$(id -u)" = 0 ] || root="sudo -n"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
quickly="-qq -o Acquire::Retries=0 -o Acquire::http::Timeout=5 -o APT::Sandbox::User=root"
echo "setup: unpacking promtool from Debian's package prometheus" >&2
# shellcheck disable=SC2086  # the options are words
apt-get download $quickly prometheus 2>/dev/null ||
    { $root apt-get update $quickly && apt-get download $quickly prometheus; } >/dev/null 2>&1 ||
    missing "the package cannot be downloaded"
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
mv usr/bin/promtool "$into"
