"""One node with everything that a pod needs: containers, a network, services, names, volumes.

The same programs and roles as on any cluster, in namespaces of their own; Linux, and root only.
No registry is reachable: images are loaded, and pods must not insist on pulling.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.cluster import (
    cgroups,
    containers,
    control_plane,
    namespaces,
    networks,
    programs,
    system_packages,
    volumes,
)
from tests.support.cluster.control_plane import Addresses, ApiServer
from tests.support.cluster.kubectl import CallFailed, Kubectl
from tests.support.cluster.networks import Network
from tests.support.cluster.places import ClusterError
from tests.support.cluster.processes import Processes

NAME = "node"

_COREDNS = """
.:53 {{
  bind {address}
  kubernetes cluster.local {{
    kubeconfig {kubeconfig}
  }}
}}
"""

_KERNEL_SETTINGS = [
    Path("/proc/sys", name)
    for name in (
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "kernel/panic",
        "kernel/panic_on_oops",
        "kernel/keys/root_maxkeys",
        "kernel/keys/root_maxbytes",
    )
]
"""What a kubelet sets for the whole machine; it does not start where it may not."""


def check() -> None:
    """Refuse to run where a node cannot; what can be installed is."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError(
            "a node needs Linux and root. Without them, name a cluster: KUBECONFIG=… (see "
            "CONTRIBUTING.md for how images get there)"
        )
    system_packages.require(*system_packages.FOR_NODE)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Run a node."""
    check()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_kernel_settings_restored())
        group = stack.enter_context(cgroups.made())
        inside = stack.enter_context(namespaces.made())
        network = networks.connect(inside)
        # Ended by the namespaces' end, all at once.
        processes = stack.enter_context(Processes(folder, wrapper=inside.wrapper))
        addresses = Addresses(network.node, 6443, 2379, network.services)
        server = control_plane.start(processes, folder, addresses, find=programs.find)
        containers.start(processes, _configured(folder, network), inside)
        _start_node(processes, folder, server, network=network, group=group)
        kubectl = Kubectl(programs.find("kubectl"), server.kubeconfig)
        processes.wait_until(lambda: _is_ready(kubectl), what="the node is Ready")
        volumes.supply(kubectl, folder / "volumes")
        yield {
            **control_plane.encode(server),
            "containerd": str(containers.socket_of(inside)),
            "volumes": str(folder / "volumes"),
        }


@contextlib.contextmanager
def _kernel_settings_restored() -> Iterator[None]:
    before = {path: path.read_text() for path in _KERNEL_SETTINGS if path.exists()}
    try:
        yield
    finally:
        for path, text in before.items():
            if path.read_text() != text:
                path.write_text(text)


def _configured(folder: Path, network: Network) -> Path:
    """Write the network plugins' configuration; pods talk through the node, not beside it."""
    routes = [{"dst": "0.0.0.0/0"}]
    addresses = {
        "type": "host-local",
        "dataDir": str(folder / "addresses"),
        "ranges": [[{"subnet": network.pods}]],
        "routes": routes,
    }
    plugin = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    config = {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}
    (folder / "cni").mkdir()
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(config))
    return folder


def _start_node(
    processes: Processes, folder: Path, server: ApiServer, *, network: Network, group: str
) -> None:
    names = folder / "Corefile"
    names.write_text(_COREDNS.format(address=network.node, kubeconfig=server.kubeconfig))
    processes.start("coredns", programs.find("coredns"), "-conf", names)
    scheduler = programs.find("kube-scheduler")
    processes.start("kube-scheduler", scheduler, *control_plane.client_flags(server))
    config = folder / "kubelet.json"
    config.write_text(json.dumps(_kubelet_config(folder, network, group)))
    processes.start(
        "kubelet",
        programs.find("kubelet"),
        f"--config={config}",
        f"--kubeconfig={server.kubeconfig}",
        f"--root-dir={folder / 'kubelet'}",
        f"--cert-dir={folder / 'kubelet-certificates'}",
        f"--hostname-override={NAME}",
        f"--node-ip={network.node}",
    )
    processes.start(
        "kube-proxy",
        programs.find("kube-proxy"),
        f"--kubeconfig={server.kubeconfig}",
        f"--hostname-override={NAME}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={network.pods}",
        "--conntrack-max-per-core=0",  # the machine's, not the node's
    )


def _kubelet_config(folder: Path, network: Network, group: str) -> dict[str, Any]:
    resolv = folder / "resolv.conf"
    resolv.write_text(f"nameserver {network.node}\n")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},  # only this machine reaches it
        "readOnlyPort": 0,
        "containerRuntimeEndpoint": f"unix://{containers.SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": group,
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        "evictionHard": {"memory.available": "50Mi"},
        "imageGCHighThresholdPercent": 100,  # an image that goes cannot be pulled again
        "serializeImagePulls": False,
        "podLogsDir": str(folder / "pod-logs"),
        "resolvConf": str(resolv),
        "clusterDNS": [network.node],
        "clusterDomain": "cluster.local",
    }


def _is_ready(kubectl: Kubectl) -> bool:
    try:
        found = kubectl.get("node", NAME)
    except CallFailed:
        return False  # it has not registered itself yet
    conditions = {one["type"]: one["status"] for one in found["status"].get("conditions", ())}
    return conditions.get("Ready") == "True"
