#!/bin/sh
# Makes .venv with everything Athena and its tests need, pinned by hash. Does nothing when it is up to date.
# With "run" as an argument it leaves out what only the tests and checks need, unless that is there already.
# With "node" it also makes sure of node and npm and installs the test clients.
# Debian packages are installed only for what is missing, with sudo where this is not root.
set -eu
cd "$(dirname "$0")/.."

. scripts/debian.sh

stamp=.venv/requirements.stamp
lock=requirements-dev.lock
[ "${1:-}" = run ] && ! cmp -s $lock $stamp && lock=requirements.lock
if ! cmp -s $lock $stamp || [ ! -x .venv/bin/athena ]; then
    echo "setup: Python packages into .venv" >&2
    python3 -c 'import ensurepip, venv' 2>/dev/null || debian python3-venv
    python3 -m venv .venv
    # --no-deps: the lock names every package; an older pip would take a newer release for "package[extra]" and then refuse it.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
    cp $lock $stamp
fi

if [ "${1:-}" = node ]; then
    command -v npm >/dev/null || debian nodejs npm
    clients=tests/e2e/clients
    if ! cmp -s $clients/package-lock.json $clients/node_modules/lock.stamp; then
        (cd $clients && npm ci --silent --no-fund --no-audit)
        cp $clients/package-lock.json $clients/node_modules/lock.stamp
    fi
fi
