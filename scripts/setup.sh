#!/bin/sh
# Makes .venv with everything Athena and its tests need, pinned by hash. Does nothing when it is up to date.
# With "run" as an argument it leaves out what only the tests and checks need, unless that is there already.
# With "node" it also makes sure of node and npm and installs the test clients.
# Debian packages are installed only for what is missing, with sudo where this is not root.
# The Python is $PYTHON, or else python3; but the system's where python3 was built without optimizations, as version managers
# build it unless told: in such a one bulks have a twentieth less throughput.
set -eu
cd "$(dirname "$0")/.."

. scripts/debian.sh

choose_python() {
    optimized='import ensurepip, sys, sysconfig, venv
by_system, arguments = sys.prefix == "/usr", sysconfig.get_config_var("CONFIG_ARGS") or ""
sys.exit(sys.version_info < (3, 11) or not (by_system or "--enable-optimizations" in arguments))'
    for python in python3 /usr/bin/python3; do
        "$python" -c "$optimized" 2>/dev/null && { echo "$python"; return; }
    done
    echo python3
}

stamp=.venv/requirements.stamp
lock=requirements-dev.lock
[ "${1:-}" = run ] && ! cmp -s $lock $stamp && lock=requirements.lock
if ! cmp -s $lock $stamp || [ ! -x .venv/bin/athena ]; then
    python=${PYTHON:-$(choose_python)}
    command -v "$python" >/dev/null || { echo "setup: there is no $python" >&2; exit 1; }
    echo "setup: packages for $("$python" --version) ($(command -v "$python")) into .venv" >&2
    "$python" -c 'import ensurepip, venv' 2>/dev/null || debian python3-venv
    "$python" -m venv .venv
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
