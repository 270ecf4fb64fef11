# Sourced by the other scripts, in the project's folder.

# Install Debian packages, and say so.
debian() {
    command -v apt-get >/dev/null || { echo "setup: please install: $*" >&2; exit 1; }
    root=""
    [ "$(id -u)" = 0 ] || root=sudo
    echo "setup: installing Debian packages: $*" >&2
    {
        flock 9  # apt-get does not wait for another one; two parts of the setup may need something at the same time
        $root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    } 9<scripts/debian.sh
}
