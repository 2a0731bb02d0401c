#!/bin/sh
# Makes the v1 controllers writable. A plain remount is refused as busy: they are mounted elsewhere too;
# a bind remount changes this mount point alone.
set -eu
while read -r _ dir type options _; do
    case "$type:,$options," in
    cgroup:*,ro,*) mount -o remount,bind,rw,nosuid,nodev,noexec "$dir" ;;
    esac
done </proc/self/mounts
