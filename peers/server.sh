# shellcheck shell=bash
# server.sh - what all server peers do alike: the commands build, up, client and shell. Sourced by each peer, which then calls `serve "$@"`.
# `debian` is no server: it takes build and shell from here, and has a `run` of its own.
#
# The peer says beforehand:
#   name        of the peer, its root and its directory peers/NAME.d
#   packages    to install in the root
#   mechanisms  what it offers when --mechanisms is absent
#   release     of Debian, where the machine's will not do; empty otherwise
#   preseed     a function that may run debconf-set-selections; gets the root
#   place       a function that puts configuration from peers/NAME.d into $instance
# and peers/NAME.d/start, process 1 of the running peer: start STARTTLS IMPLICIT CLEAR PASSWORD MECHANISMS BITS, with /peer as its directory. BITS is for
# peers with security layers: the strongest to offer, empty for all.
# shellcheck source=peers/root.sh
. "$(dirname "${BASH_SOURCE[0]}")/root.sh"

serve() {
    local verb=${1:-}
    shift || true
    case $verb in
        build) build ;;
        up) up "$@" ;;
        client) client "$@" ;;
        shell) shell ;;
        # The rest is called by this program itself, inside a namespace.
        fill) fill "$1" ;;
        run) run "$@" ;;
        do) do_in "$@" ;;
        look) look "$1" ;;
        *) usage "'$verb' is not build, up, client or shell" ;;
    esac
}

usage() {
    # shellcheck disable=SC2154 # the peer's
    echo "peers/$name: $1" >&2
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
}

build() {
    # Whoever ends this ends that too.
    # shellcheck disable=SC2086,SC2154 # the peer's, one word or none
    setpriv --pdeathsig TERM "$peers/base" $release
    build_root "$name" "$(recipe)" "$0" fill
}

recipe() {
    # shellcheck disable=SC2154 # the peer's
    echo "${packages[*]} on $(cat "$roots/$(base_root)/.stamp" 2>/dev/null)"
}

base_root() {
    echo "base${release:+-$release}"
}

fill() {
    cp -a "$roots/$(base_root)" "$1"
    rm "$1/.stamp"
    mount_system "$1"
    preseed "$1"
    install_packages "$1" "${packages[@]}"
}

up() {
    local dir='' starttls='' implicit='' clear='' password='' cert='' key='' bits='' offered=$mechanisms
    while [ $# -gt 0 ]; do
        case $1 in
            --open) offered=''; shift; continue ;;
        esac
        [ $# -ge 2 ] || usage "$1 needs a value"
        case $1 in
            --dir) dir=$2 ;;
            --port-starttls) starttls=$2 ;;
            --port-implicit) implicit=$2 ;;
            --port-clear) clear=$2 ;;
            --password) password=$2 ;;
            --mechanisms) offered=$2 ;;
            --cert) cert=$2 ;;
            --key) key=$2 ;;
            --bits) bits=$2 ;;
            *) usage "unknown option $1" ;;
        esac
        shift 2
    done
    if [ -z "$dir" ] || [ -z "$starttls" ] || [ -z "$implicit" ] || [ -z "$clear" ]; then usage "--dir and the three ports are needed"; fi
    [ -n "$password" ] || usage "--password must not be empty"
    if [ "${cert:+set}" != "${key:+set}" ]; then usage "--cert and --key go together"; fi
    require_current_root
    mkdir -p "$dir/mail" "$dir/envelope"
    if [ -n "$cert" ]; then
        cp "$cert" "$dir/cert.pem"
        cp "$key" "$dir/key.pem"
    fi
    lock_root "$name" shared
    in_namespace "$0" run "$(cd "$dir" && pwd)" "$starttls" "$implicit" "$clear" "$password" "$offered" "$bits"
}

require_current_root() {
    require_root_user
    root_current "$name" "$(recipe)" || die "its root is missing or out of date" "peers/$name build"
}

# Process 1 of the peer: settings in place, then `start` in the root takes over.
run() {
    local dir=$1
    shift
    mount_instance "$name" "$dir"
    place
    install -m 755 "$peers/$name.d/"{start,capture} "$instance/usr/local/bin/"
    install -m 644 "$peers/start.sh" "$instance/usr/local/lib/start.sh"
    exec chroot "$instance" /usr/local/bin/start "$@"
}

# A command in a throw-away copy of the root, with its directory as /peer.
client() {
    [ $# -ge 2 ] || usage "client needs a directory and a command"
    require_current_root
    lock_root "$name" shared
    in_namespace "$0" do "$@"
}

do_in() {
    mount_instance "$name" "$1"
    place
    shift
    exec chroot "$instance" "$@"
}

shell() {
    require_current_root
    mkdir -p "$roots/$name.shell"
    lock_root "$name" shared
    in_namespace "$0" look "$roots/$name.shell"
}

look() {
    mount_instance "$name" "$1"
    exec chroot "$instance" /bin/bash -l
}
