# shellcheck shell=bash
# root.sh - the roots in which server peers live. Sourced by peers/base and by each peer; not run by itself.
#
# A root is a Debian file tree under target/peers/NAME with one peer's packages installed. Mail servers exclude each other as packages,
# so each has its own. A running peer never writes in its root: it sees the root through an overlay whose upper layer is in memory.
#
# Every mount is made in a mount namespace of its own, by process 1 of a PID namespace of its own. When that process ends, for whatever
# reason, the kernel takes the mounts and all its descendants away; the machine outside never sees a mount, so nothing is left behind
# and no `rm` can reach through one.
#
# A root is built beside its place and moved there with its stamp: a root without a valid stamp is not used, and built anew.

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
roots=$(dirname "$peers")/target/peers

# die WHAT NEXT: the end, in plain words.
die() {
    echo "peers/$(basename "$0"): $1" >&2
    echo "  next: $2" >&2
    exit 1
}

require_root_user() {
    [ "$(id -u)" = 0 ] || die "server peers need root: chroot and mounts" "run it as root, or ./test --fast, which needs neither"
    unshare --mount true 2>/dev/null || die "root may not make namespaces here: a container without CAP_SYS_ADMIN?" "run it with that capability, or in a virtual machine"
}

# root_current NAME RECIPE: is target/peers/NAME whole, and made by this recipe?
root_current() {
    [ -f "$roots/$1/.stamp" ] && [ "$(cat "$roots/$1/.stamp")" = "$(recipe_hash "$2")" ]
}

# The stamp of a root: its recipe, and this file, which carries it out.
recipe_hash() {
    printf '%s\n' "$1" | cat - "$peers/root.sh" | sha256sum | cut -d ' ' -f 1
}

# build_root NAME RECIPE COMMAND...: makes target/peers/NAME unless it is current. COMMAND gets the directory to fill as its last argument.
build_root() {
    local name=$1 recipe=$2 partial=$roots/$1.partial began=$SECONDS
    shift 2
    ! root_current "$name" "$recipe" || return 0
    require_root_user
    mkdir -p "$roots"
    lock_root "$name" exclusive
    ! root_current "$name" "$recipe" || return 0
    rm -rf --one-file-system "$partial" "${roots:?}/$name"
    echo "peers: building $roots/$name (log: $roots/$name.log)"
    in_namespace "$@" "$partial" >"$roots/$name.log" 2>&1 </dev/null || {
        tail -n 20 "$roots/$name.log" >&2
        die "root $name could not be built" "read $roots/$name.log; is the Debian mirror of /etc/apt reachable?"
    }
    recipe_hash "$recipe" >"$partial/.stamp"
    mv "$partial" "$roots/$name"
    flock --unlock 9
    echo "peers: built $name in $((SECONDS - began)) s"
}

# lock_root NAME shared|exclusive: running peers share a root, building one needs it alone. Held as descriptor 9 until the caller ends.
lock_root() {
    exec 9>"$roots/$1.lock"
    flock "--$2" --wait 900 9 || die "root $1 is in use" "end the peers that run from it: fuser $roots/$1.lock"
}

# in_namespace COMMAND...: runs COMMAND as process 1 of new mount and PID namespaces and gives its status. If the caller dies, even by
# SIGKILL, everything in there dies with it.
in_namespace() {
    local child status=0
    setpriv --pdeathsig KILL unshare --mount --propagation private --pid --mount-proc --fork --kill-child=KILL -- "$@" <&0 9>&- &
    child=$!
    # unshare(1) ignores SIGTERM and SIGINT while it waits, so the signal it gets is one that it cannot ignore.
    # shellcheck disable=SC2064 # the child's number is wanted now
    trap "kill -KILL $child 2>/dev/null; exit 143" TERM INT HUP
    wait "$child" || status=$?
    trap - TERM INT HUP
    return "$status"
}

# mount_system ROOT: the /proc and the few devices programs need. Only inside a namespace.
mount_system() {
    local device
    mount -t proc proc "$1/proc"
    for device in null zero full random urandom; do
        [ -e "$1/dev/$device" ] || : >"$1/dev/$device"
        mount --bind "/dev/$device" "$1/dev/$device"
    done
}

# mount_instance NAME DIR: a throw-away copy of root NAME, with DIR visible in it as /peer. Leaves its path in $instance.
mount_instance() {
    # Any existing directory serves as mount point, since nobody else sees the mount. It hides what is below it, so that is opened first.
    local memory=$roots
    instance=$memory/root
    exec 7<"$2" 8<"$roots/$1"
    mount -t tmpfs -o mode=0755 tmpfs "$memory"
    mkdir "$memory/lower" "$memory/upper" "$memory/work" "$instance"
    mount --bind /proc/self/fd/8 "$memory/lower"
    # Relative, since a colon or comma in the path would split the options.
    (cd "$memory" && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root)
    mount_system "$instance"
    mkdir "$instance/peer"
    mount --bind /proc/self/fd/7 "$instance/peer"
    exec 7<&- 8<&-
}

# install_packages ROOT PACKAGE...: apt-get inside a root; no package may start a service.
install_packages() {
    local root=$1
    shift
    export DEBIAN_FRONTEND=noninteractive
    chroot "$root" apt-get update
    chroot "$root" apt-get install --yes --no-install-recommends "$@"
    chroot "$root" apt-get clean
}
