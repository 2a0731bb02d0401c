#!/bin/sh
# Starts a lab node; written anew by `skep lab up`. Everything the node mounts and runs lives in namespaces of
# this script, and the kernel ends it all with the script's end.
set -eu
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 SYSTEMD_NSPAWN_LOCK=0 SYSTEMD_SECCOMP=0
groups="@GROUPS@"

join() {
    for group in $groups; do
        echo 0 >"$group/$1/cgroup.procs" || exit 1
    done
}

if [ "${1-}" != inside ]; then
    join @LAUNCH@
    exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc sh "$0" inside
fi

mount -t overlay overlay -o lowerdir=@BASE@,upperdir=@DIR@/upper,workdir=@DIR@/work @DIR@/root
while :; do
    status=0
    (
        join @NODE@
        exec @NSPAWN@
    ) || status=$?
    # systemd-nspawn ends so for a reboot, and leaves the new start to its caller.
    [ "$status" = 133 ] || exit "$status"
done
