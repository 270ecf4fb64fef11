#!/bin/sh
# Makes .venv with everything Athena and its tests need, pinned by hash. Does nothing when it is up to date.
# With "run" as an argument it leaves out what only the tests and checks need, unless that is there already.
# With "node" it also makes sure of node and npm and installs the test clients.
# Debian packages are installed only for what is missing, with sudo where this is not root.
# The Python is $PYTHON, or else python3; but the system's where python3 was built without optimizations, as version managers
# build it unless told: in such a one bulks have a twentieth less throughput. A .venv of another Python than $PYTHON is made anew.
set -eu
case ${PYTHON:-} in
    /*) ;;
    */*) PYTHON=$PWD/$PYTHON ;; # before this goes elsewhere
esac
cd "$(dirname "$0")/.."

. scripts/debian.sh

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Whether two commands run the same Python: the same files, in the same version. Not if one of them does not run.
same_python() {
    identity='import os, sys; print(os.path.realpath(sys.base_prefix), sys.version)'
    one=$("$1" -c "$identity" 2>/dev/null) && other=$("$2" -c "$identity" 2>/dev/null) && [ "$one" = "$other" ]
}

# Whether .venv has what is needed, and is still that of a Python which is there.
up_to_date() {
    cmp -s $lock $stamp && [ -x .venv/bin/athena ] && .venv/bin/python -c 'import athena' 2>/dev/null || return 1
    [ -z "${PYTHON:-}" ] || same_python "$PYTHON" .venv/bin/python
}

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
if ! up_to_date; then
    python=${PYTHON:-$(choose_python)}
    version=$("$python" -c 'import platform, sys; sys.exit(sys.version_info < (3, 11) or print(platform.python_version()))') ||
        fail "expected a Python that runs, 3.11 or newer, got $python; PYTHON=... names another"
    python=$(command -v "$python")
    echo "setup: packages for Python $version ($python) into .venv" >&2
    complete='import ensurepip, venv'
    if ! "$python" -c "$complete" 2>/dev/null && "$python" -c 'import sys; sys.exit(sys.base_prefix != "/usr")'; then
        debian "python${version%.*}-venv"
    fi
    "$python" -c "$complete" 2>/dev/null || fail "expected a Python with the modules venv and ensurepip, got $python"
    if ! same_python "$python" .venv/bin/python; then # what another one left would run with the library of this one
        case $python in "$PWD"/.venv/*) fail "expected a Python that is not in the .venv to be made anew, got $python" ;; esac
        rm -rf .venv
    fi
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
