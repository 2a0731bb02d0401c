"""The state that `skep up` brings a node to, as a pyinfra deploy: made where it is missing, checked where it is there.

The inventory gives `ssh_hostname`, the address that a node advertises, `role`, manager or worker, and `first`, the name
of the node that the swarm is made on; `packages` and `modules` come with it, because what skep sees to depends on the
kernel.
"""

import json
from io import StringIO

from pyinfra import host, inventory
from pyinfra.api.exceptions import OperationError
from pyinfra.facts.server import Command
from pyinfra.operations import apt, files, server, systemd

ABSENT = [
    "/etc/apt/apt.conf.d/51skep-engine",
    "/etc/apt/apt.conf.d/95skep-proxy",
    "/etc/systemd/system/docker.service.d/10-skep-proxy.conf",
    "/etc/exports.d/skep.exports",
]


def read(command):
    """What a command prints; nothing where it fails."""
    return host.get_fact(Command, f"{command} 2>/dev/null || true") or ""


def need(holds, what):
    """Ends the run where the node is not as it has to be."""
    if not holds:
        raise OperationError(f"{host.name}: {what}")


def swarm_of(text):
    return json.loads(text) if text.startswith("{") else {"LocalNodeState": "inactive"}


machines = {each.get_fact(Command, "cat /etc/machine-id") for each in inventory}
need(len(machines) == len(inventory), "two nodes have one machine-id")

apt.packages(name="Packages", packages=host.data.packages, no_recommends=True)
for path in ABSENT:
    files.file(name=f"Nobody asked for {path}", path=path, present=False)

options = json.loads(read("cat /etc/docker/daemon.json") or "{}")
need(not options.get("live-restore"), "live-restore keeps the engine out of a swarm")

for module in host.data.modules:
    text = StringIO(f"# Written by skep.\n{module}\n")
    files.put(name=f"{module} at boot", src=text, dest=f"/etc/modules-load.d/skep-{module}.conf", mode="644")
    server.modprobe(name=f"{module} now", module=module)

forwarding = "/etc/sysctl.d/60-skep-net.ipv4.ip_forward.conf"
text = StringIO("# Written by skep.\nnet.ipv4.ip_forward = 1\n")
files.put(name="Forwarding at boot", src=text, dest=forwarding, mode="644")
server.sysctl(name="Forwarding now", key="net.ipv4.ip_forward", value=1)
systemd.service(name="The engine runs", service="docker.service", running=True, enabled=True)

INFO = "docker info --format '{{json .Swarm}}'"
first = inventory.get_host(host.data.first)
here = swarm_of(read(INFO))
if here["LocalNodeState"] == "inactive":
    address, there = host.data.ssh_hostname, first.data.ssh_hostname
    if host == first:
        server.shell(name="A swarm", commands=[f"docker swarm init --advertise-addr {address}"])
    else:
        # Only the first node knows what a newcomer needs, and only once it has made the swarm: the second run joins.
        token = first.get_fact(Command, f"docker swarm join-token --quiet {host.data.role} 2>/dev/null || true")
        if token:
            join = f"docker swarm join --advertise-addr {address} --token {token} {there}:2377"
            server.shell(name="Join", commands=[join])
else:
    manager = host.data.role == "manager"
    need(here["LocalNodeState"] == "active", f"its state in the swarm is {here['LocalNodeState']}")
    need(here["NodeAddr"] == host.data.ssh_hostname, f"it advertises {here['NodeAddr']}")
    need(here["ControlAvailable"] == manager, "its role is another")
    if manager:
        there = swarm_of(first.get_fact(Command, f"{INFO} 2>/dev/null || true"))
        need(here["Cluster"]["ID"] == there["Cluster"]["ID"], "it is in another swarm")
    # Only managers know records and may write them: each its own, the first one those of the workers too.
    workers = [each for each in inventory if each.data.role != "manager"] if host == first else []
    for each in ([host] if manager else []) + workers:
        member = swarm_of(each.get_fact(Command, f"{INFO} 2>/dev/null || true")).get("NodeID")
        if not member:
            continue
        record = json.loads(host.get_fact(Command, f"docker node inspect {member} --format '{{{{json .}}}}'"))
        need(record["Status"]["State"] == "ready", f"{each.name} is not ready")
        if record["Spec"]["Labels"].get("skep.node") != each.name:
            label = f"docker node update --label-add skep.node={each.name} {member}"
            server.shell(name="The name that the inventory has for it", commands=[label])
