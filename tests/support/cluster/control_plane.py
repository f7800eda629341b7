"""etcd, the API server and the controllers: what a cluster decides and remembers, without pods.

Everything about an object is real here: validation, CEL, admission, watches, conflicts, owner
references and the end of a namespace. Pods are made and stay Pending. Any user can run it, on
ports that nobody has.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.cluster import programs
from tests.support.cluster.processes import Processes


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers listen."""

    host: str
    api_port: int
    etcd_port: int
    services: str
    """The range of services' addresses."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """A Kubernetes API server, and an administrator's way in."""

    url: str
    token: str
    kubeconfig: Path
    certificates: Path
    """Those it is to be checked by."""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Run a control plane on this machine's loopback."""
    api_port, etcd_port = free_ports(2)
    addresses = Addresses("127.0.0.1", api_port, etcd_port, services="10.0.0.0/24")
    with Processes(folder) as processes:
        server = start(processes, folder, addresses, find=programs.find_for_control_plane)
        yield encode(server)


def encode(server: ApiServer) -> dict[str, str]:
    """Return it as the keeper writes it down."""
    return {
        "url": server.url,
        "token": server.token,
        "kubeconfig": str(server.kubeconfig),
        "certificates": str(server.certificates),
    }


def decode(facts: dict[str, str]) -> ApiServer:
    """Return what `encode` was given."""
    return ApiServer(
        url=facts["url"],
        token=facts["token"],
        kubeconfig=Path(facts["kubeconfig"]),
        certificates=Path(facts["certificates"]),
    )


def start(
    processes: Processes, folder: Path, addresses: Addresses, *, find: Callable[[str], Path]
) -> ApiServer:
    """Start the servers and return when they answer."""
    server = ApiServer(
        url=f"https://{addresses.host}:{addresses.api_port}",
        token=secrets.token_urlsafe(),
        kubeconfig=folder / "kubeconfig",
        certificates=folder / "certificates" / "apiserver.crt",
    )
    key = _write_signing_key(folder / "service-accounts.key")
    tokens = _write_private(folder / "tokens.csv", f"{server.token},admin,admin,system:masters\n")
    etcd = f"http://127.0.0.1:{addresses.etcd_port}"
    processes.start("etcd", find("etcd"), *_etcd_flags(folder, etcd))
    flags = _api_server_flags(server, addresses, key=key, tokens=tokens, etcd=etcd)
    processes.start("kube-apiserver", find("kube-apiserver"), *flags)
    processes.wait_until(lambda: _is_ready(server), what="the API server is ready")
    _write_private(server.kubeconfig, json.dumps(_kubeconfig(server)))
    manager = find("kube-controller-manager")
    if manager.exists():
        flags = _controller_flags(server, key=key)
        processes.start("kube-controller-manager", manager, *flags)
    return server


def client_flags(server: ApiServer) -> list[str]:
    """Return the flags that the API server's own clients share."""
    return [f"--kubeconfig={server.kubeconfig}", "--leader-elect=false", "--secure-port=0"]


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that nobody had a moment ago."""
    with contextlib.ExitStack() as probes:
        bound = [probes.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in bound]


def _etcd_flags(folder: Path, url: str) -> list[str]:
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",  # nothing here is to survive the machine
    ]


def _api_server_flags(
    server: ApiServer, addresses: Addresses, *, key: Path, tokens: Path, etcd: str
) -> list[str]:
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={addresses.host}",
        f"--advertise-address={addresses.host}",
        f"--secure-port={addresses.api_port}",
        # It would register itself as the service `kubernetes`, which refuses a loopback address.
        f"--endpoint-reconciler-type={'none' if addresses.host == '127.0.0.1' else 'lease'}",
        f"--cert-dir={server.certificates.parent}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={addresses.services}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=Node,RBAC",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged",
    ]


def _controller_flags(server: ApiServer, *, key: Path) -> list[str]:
    return [
        *client_flags(server),
        f"--service-account-private-key-file={key}",
        f"--root-ca-file={server.certificates}",
    ]


def _is_ready(server: ApiServer) -> bool:
    headers = {"Authorization": f"Bearer {server.token}"}
    request = urllib.request.Request(f"{server.url}/readyz", headers=headers)
    try:
        context = ssl.create_default_context(cafile=server.certificates)
        with urllib.request.urlopen(request, context=context, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _kubeconfig(server: ApiServer) -> dict[str, object]:
    cluster = {"server": server.url, "certificate-authority": str(server.certificates)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": server.token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
    }


def _write_signing_key(path: Path) -> Path:
    """Write the key that service accounts' tokens are signed by."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return _write_private(path, pem.decode())


def _write_private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path
