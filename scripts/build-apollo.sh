#!/bin/sh
# Builds Apollo, the web UI, into the Python package. Does nothing when its sources are what they were.
# Needs node 18.19 or newer; installs Debian's when there is none, with sudo where this is not root.
set -eu
cd "$(dirname "$0")/.."
. scripts/debian.sh

into=src/athena/apollo
sources=$(cat apollo/package-lock.json apollo/vite.config.ts apollo/tsconfig.json apollo/build/* \
    $(find apollo/src apollo/public -type f | LC_ALL=C sort) | sha256sum)
[ "$(cat $into/.built-from 2>/dev/null)" = "$sources" ] && [ -d apollo/node_modules ] && exit 0

echo "setup: the web UI, which takes a minute the first time" >&2
command -v npm >/dev/null || debian nodejs npm
cd apollo
if ! cmp -s package-lock.json node_modules/lock.stamp; then
    npm ci --silent --no-fund --no-audit || { echo "setup: npm ci failed in apollo/" >&2; exit 1; }
    cp package-lock.json node_modules/lock.stamp
fi
npm run --silent build >/dev/null
cd ..
mkdir -p $into
cp apollo/dist/index.html apollo/dist/apollo.js apollo/dist/apollo.css $into/
echo "$sources" >$into/.built-from
