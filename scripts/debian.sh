# Sourced by the other scripts.

# Install Debian packages, and say so.
debian() {
    command -v apt-get >/dev/null || { echo "setup: please install: $*" >&2; exit 1; }
    root=""
    [ "$(id -u)" = 0 ] || root=sudo
    echo "setup: installing Debian packages: $*" >&2
    $root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
