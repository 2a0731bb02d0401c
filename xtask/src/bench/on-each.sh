# A command on each host at once through the system's client: on-each.sh SSH_CONFIG COMMAND HOST…
# Fails where it fails on any of them.
config=$1 command=$2
shift 2
pids=
for host; do
    ssh -F "$config" "$host" "$command" </dev/null &
    pids="$pids $!"
done
failed=0
for pid in $pids; do
    wait "$pid" || failed=1
done
exit $failed
