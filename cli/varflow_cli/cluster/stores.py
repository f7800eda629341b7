"""The store of a cluster, from outside of it: where it is, with which keys, and by which way.

    ConfigMap `…-settings` ──► URL, name of the Secret ──► keys ──► directly, or by a port-forward

The chart's own S3 server has an address that only the cluster knows; from elsewhere it is reached
through the API server, by whoever may do that and may read the Secret. Another server is reached
as its URL says.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from varflow.errors import ClusterError, ObjectNotFound, ObjectRefused
from varflow.variables.encryption import policies, wrapping
from varflow.variables.encryption.policies import Policy
from varflow.variables.scopes import Owners
from varflow.variables.stores import s3_urls
from varflow.variables.stores.credentials import Credentials
from varflow.variables.variables import Variables
from varflow_cli.cluster import port_forwarding, services
from varflow_cli.cluster.connecting import Connection
from varflow_cli.cluster.encrypting import SecretKeys
from varflow_cli.cluster.services import ServiceAddress
from varflow_cli.console.failures import Failure, Mistake
from varflow_cli.stores import storing
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import CONFIG_MAP, INSTANCE, NAMESPACE, SECRET, WORKFLOW, Object

_CLUSTER_NAMESPACE: Final = "kube-system"
"""Its UID is the cluster's: every cluster has this namespace, and nobody makes it anew."""
_PROBE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an installation of Varflow says about its store."""

    namespace: str
    """Where it is installed."""
    url: str
    secret: str
    """Name of the Secret with the keys; empty: whoever opens the store has their own."""
    encryption: Policy = Policy.OFF


@contextlib.asynccontextmanager
async def open_variables(connection: Connection) -> AsyncIterator[Variables]:
    """Open the variables of the cluster.

    Raises:
        ObjectNotFound: Varflow is not installed there.
        ObjectRefused: something that this needs may not be read; says what.
        ClusterError: the cluster does not answer.
        StoreError: the store cannot be reached.
    """
    settings = await find_settings(connection)
    credentials = await _find_credentials(connection.cluster, settings)
    keys = SecretKeys(connection.cluster, connection.namespace)
    async with (
        _reachable(connection.cluster, settings.url) as url,
        storing.open_variables(
            url,
            credentials=credentials,
            wrap=lambda store: wrapping.wrap(store, keys, settings.encryption),
        ) as variables,
    ):
        yield variables


async def find_settings(connection: Connection) -> Settings:
    """Return the settings of the one installation in the cluster, or in the namespace named.

    Raises:
        ObjectNotFound: there is none.
        Mistake: there are several.
        ClusterError: as `open_variables`.
    """
    labels = names.selector(
        {names.LABEL_NAME: "varflow", names.LABEL_COMPONENT: names.Component.SETTINGS}
    )
    where = connection.system_namespace
    try:
        found = [it async for it in connection.cluster.list(CONFIG_MAP, where, labels=labels)]
    except ObjectRefused as error:
        hint = "" if where else "; --system-namespace says where Varflow is installed"
        raise ObjectRefused(f"{error.message}{hint}") from error
    return choose_settings(found, where=where)


def choose_settings(found: list[Object], *, where: str | None) -> Settings:
    """Return what the only ConfigMap of those found says. PURE."""
    place = f"in namespace {where}" if where else "in this cluster"
    if not found:
        raise ObjectNotFound(f"Varflow is not installed {place}: no ConfigMap has its settings")
    if len(found) > 1:
        places = ", ".join(sorted({it["metadata"]["namespace"] for it in found}))
        raise Mistake(f"Varflow is installed in {places}: choose with --system-namespace")
    data = found[0].get("data") or {}
    return Settings(
        namespace=found[0]["metadata"]["namespace"],
        url=data.get("store") or "",
        secret=data.get("storeSecret") or "",
        encryption=policies.parse(data.get("encryption") or Policy.OFF, has_keys=True),
    )


async def find_owners(connection: Connection, *, workflow: str = "", instance: str = "") -> Owners:
    """Return the UIDs of the objects with these names: those are who owns variables.

    Raises:
        ObjectNotFound: one of them is not there.
        ClusterError: as `open_variables`.
    """
    cluster, namespace = connection.cluster, connection.namespace
    whole, own, flow, run = await asyncio.gather(
        cluster.get(NAMESPACE, None, _CLUSTER_NAMESPACE),
        cluster.get(NAMESPACE, None, namespace),
        cluster.get(WORKFLOW, namespace, workflow) if workflow else _nothing(),
        cluster.get(INSTANCE, namespace, instance) if instance else _nothing(),
    )
    uids = [(obj or {}).get("metadata", {}).get("uid", "") for obj in (whole, own, flow, run)]
    return Owners(cluster=uids[0], namespace=uids[1], workflow=uids[2], instance=uids[3])


async def find_cluster(connection: Connection) -> str:
    """Return the UID that stands for the cluster in its store.

    Raises:
        ClusterError: as `open_variables`.
    """
    found = await connection.cluster.get(NAMESPACE, None, _CLUSTER_NAMESPACE)
    uid: str = found["metadata"]["uid"]
    return uid


async def _nothing() -> Object:
    return {}


async def _find_credentials(cluster: Cluster, settings: Settings) -> Credentials | None:
    if not settings.secret:
        return None
    where = SECRET.shown(settings.namespace, settings.secret)
    try:
        found = await cluster.get(SECRET, settings.namespace, settings.secret)
    except ObjectRefused as error:
        said = f"the store's keys are in {where}, which needs the right to get secrets there"
        raise ObjectRefused(f"{said}: {error.message}") from error
    data = {name: base64.b64decode(value) for name, value in (found.get("data") or {}).items()}
    try:
        return Credentials(
            access_key_id=data["AWS_ACCESS_KEY_ID"].decode(),
            secret_access_key=data["AWS_SECRET_ACCESS_KEY"].decode(),
            session_token=data.get("AWS_SESSION_TOKEN", b"").decode(),
        )
    except KeyError as error:
        raise ClusterError(f"{where} has no {error.args[0]}") from error


@contextlib.asynccontextmanager
async def _reachable(cluster: Cluster, url: str) -> AsyncIterator[str]:
    """Give the URL by which this machine reaches a store."""
    endpoint = s3_urls.parse(url).endpoint if url.startswith("s3:") else ""
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = ServiceAddress.parse(parts.hostname or "", port)
    if address is None or await _answers(parts.hostname or "", port):
        yield url
        return
    if parts.scheme == "https":
        raise Failure(
            f"the store at {endpoint} is only reachable within the cluster, and its certificate is "
            "for that name; use this command in a pod"
        )
    target = await services.find_target(cluster, address)
    async with port_forwarding.forward(cluster, target) as local:
        _keep_from_proxies("127.0.0.1")
        here = f"http://127.0.0.1:{local}{parts.path}"
        yield replace(s3_urls.parse(url), endpoint=here, is_path_style=True).url


def _keep_from_proxies(host: str) -> None:
    """Have this process reach `host` directly: a company's proxy knows no port of this machine."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    os.environ["no_proxy"] = f"{known},{host}" if known else host


async def _answers(host: str, port: int) -> bool:
    """Tell whether a host of the cluster answers here, as within a pod or over a VPN."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
