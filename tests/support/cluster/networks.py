"""The network of a node: a cable between it and the machine, and addresses that nobody else has.

The machine reaches pods and services by their addresses; nothing inside reaches beyond the
machine, so that no test can depend on what is outside.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass

from tests.support.cluster.commands import run
from tests.support.cluster.namespaces import Namespaces
from tests.support.cluster.places import ClusterError

_CANDIDATES = [f"10.{number}.0.0/16" for number in range(213, 233)]
"""Networks that few machines use; the first one that is free is taken."""


@dataclass(frozen=True, slots=True)
class Network:
    """The addresses of one node."""

    everything: ipaddress.IPv4Network

    @property
    def machine(self) -> str:
        """The machine's end of the cable."""
        return str(self.everything[1])

    @property
    def node(self) -> str:
        """The node's own address."""
        return str(self.everything[2])

    @property
    def pods(self) -> str:
        """The range of pods' addresses."""
        return str(list(self.everything.subnets(new_prefix=24))[1])

    @property
    def services(self) -> str:
        """The range of services' addresses."""
        return str(list(self.everything.subnets(new_prefix=24))[2])

    @property
    def device(self) -> str:
        """Name of the machine's network device."""
        return f"varflow-{self.everything[0].packed[1]}"


def connect(inside: Namespaces) -> Network:
    """Connect a node with the machine; the cable goes when the namespaces do."""
    network = _find_free()
    device, node = network.device, network.node
    ends = ("type", "veth", "peer", "name", "eth0", "netns", str(inside.pid))
    run("ip", "link", "add", device, *ends)
    run("ip", "address", "add", f"{network.machine}/30", "dev", device)
    run("ip", "link", "set", device, "up")
    run("ip", "route", "add", str(network.everything), "via", node, "dev", device)
    inside.run("ip", "link", "set", "lo", "up")
    inside.run("ip", "address", "add", f"{node}/30", "dev", "eth0")
    inside.run("ip", "link", "set", "eth0", "up")
    inside.run("ip", "route", "add", "default", "via", network.machine)
    inside.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    return network


def _find_free() -> Network:
    routes = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all"))
    taken = [ipaddress.ip_network(route["dst"], strict=False) for route in routes if _is_net(route)]
    for candidate in map(ipaddress.IPv4Network, _CANDIDATES):
        if not any(candidate.overlaps(net) for net in taken):
            return Network(candidate)
    raise ClusterError(f"none of the networks {_CANDIDATES[0]} … {_CANDIDATES[-1]} is free")


def _is_net(route: dict[str, str]) -> bool:
    return route["dst"] != "default"
