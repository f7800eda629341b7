"""Finding the API server and proving who we are; the only module that imports `kubernetes`.

It reads service accounts and kubeconfigs with certificates, tokens, exec plugins and OIDC, and
knows how long each lasts. Only this is taken from it: see `transports` for the requests.

A new token counts at once; a new client certificate with the next start of the process, since
connections under way have proved the old one.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import yaml
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import incluster_config

from varflow.errors import ClusterError, ClusterUnavailable

_RENEWAL_PAUSE_SECONDS: Final = 5.0
"""A storm of 401s asks an exec plugin once."""
_DEFAULT_KUBECONFIG: Final = "~/.kube/config"
_POD_NAMESPACE: Final = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_UNUSABLE: Final = (
    kubernetes_config.ConfigException,
    yaml.YAMLError,
    OSError,
    KeyError,
    TypeError,
    ValueError,
)
"""What a kubeconfig that is none makes the loader raise; ssl.SSLError is an OSError."""


class ClusterLogin:
    """Where the API server is and who we are."""

    host: str
    ssl: ssl.SSLContext
    proxy: str | None
    server_name: str | None
    namespace: str | None
    """Where this login works when nobody names another: the context's, or the pod's own."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        self._kubeconfig = kubeconfig or os.environ.get("KUBECONFIG") or ""
        if not self._kubeconfig and not os.path.exists(incluster_config.SERVICE_TOKEN_FILENAME):
            self._kubeconfig = _DEFAULT_KUBECONFIG
        self._context = context
        self._configuration = Configuration()
        self._renewing = asyncio.Lock()
        self._renewed_at = -_RENEWAL_PAUSE_SECONDS

    @classmethod
    async def open(cls, kubeconfig: str | None, context: str | None) -> Self:
        """Log in with what counts; see `Cluster.connect`.

        Raises:
            ClusterError: it cannot be used.
        """
        login = cls(kubeconfig, context)
        await login.load()
        return login

    async def load(self) -> None:
        """Log in again.

        Raises:
            ClusterError: that is not possible; says why.
        """
        configuration = Configuration()
        # private clusters' authorities often lack what RFC 5280 asks for; no other client minds
        configuration.disable_strict_ssl_verification = True
        try:
            await self._fill(configuration)
            self.ssl = RESTClientObject(configuration).ssl_context
        except _UNUSABLE as error:
            source = self._kubeconfig or "the service account of this pod"
            raise ClusterError(f"{source} cannot be used to log in: {error}") from error
        self.host = configuration.host.rstrip("/")
        self.proxy = configuration.proxy or (_find_proxy(self.host) if self._kubeconfig else None)
        self.server_name = configuration.tls_server_name
        self._configuration = configuration

    async def authorization(self) -> str | None:
        try:
            found = await self._configuration.get_api_key_with_prefix("BearerToken")
        except _UNUSABLE as error:
            raise ClusterUnavailable(f"the token cannot be read: {error}") from error
        return found.strip() if found else None

    async def renew(self) -> None:
        async with self._renewing:
            if time.monotonic() - self._renewed_at > _RENEWAL_PAUSE_SECONDS:
                self._renewed_at = time.monotonic()
                await self.load()

    async def _fill(self, configuration: Configuration) -> None:
        if not self._kubeconfig:
            kubernetes_config.load_incluster_config(configuration)
            self.namespace = _own_namespace()
            return
        if not _is_any_there(self._kubeconfig):
            raise FileNotFoundError("there is no such file; name one with KUBECONFIG")
        loader = await kubernetes_config.load_kube_config(
            self._kubeconfig, self._context, configuration, persist_config=False
        )
        self.namespace = loader.current_context["context"].get("namespace")


def _find_proxy(host: str) -> str | None:
    """Return the environment's proxy; a service's address inside a cluster never needs one."""
    parts = urlsplit(host)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _own_namespace() -> str:
    return Path(_POD_NAMESPACE).read_text().strip()


def _is_any_there(paths: str) -> bool:
    return any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path)
