# Where an engine has no ID it makes one, out of key.json where it finds that.
set -e
root=@ROOT@
member=@MEMBER@
if [ -n "$member" ] && command -v docker >/dev/null; then
    docker ps -aq --filter label=com.docker.swarm.node.id="$member" | xargs -r docker rm -f >/dev/null
fi
systemctl stop docker.socket docker.service 2>/dev/null || systemctl stop docker.service
if [ -n "$member" ]; then
    # In one step, lest half a membership be found. The managers do not hear of it: theirs is the other host.
    rm -rf "$root/swarm.skep"
    [ ! -e "$root/swarm" ] || mv "$root/swarm" "$root/swarm.skep"
fi
# Also what an earlier run was cut short at: it holds the other host's key.
rm -rf "$root/swarm.skep"
rm -f "$root/engine-id" /etc/docker/key.json
sync
systemctl start docker.service
