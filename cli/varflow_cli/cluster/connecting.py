"""From the command line's words to an open connection with a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from varflow.errors import ClusterError, ClusterUnavailable
from varflow_cli.console.failures import Mistake
from varflow_cli.stores import storing
from varflow_operator.cluster import Cluster

FIELD_MANAGER: Final = "varflow-cli"
"""Who owns the fields that the command line applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Which cluster, and where in it, as the caller said it."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    system_namespace: str | None = None
    """Where Varflow is installed."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Return what the options of these names say."""
        return cls(**{field.name: given[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An open connection, and where in the cluster the caller works."""

    cluster: Cluster
    namespace: str
    """The one that was given, else the context's."""
    system_namespace: str | None


@contextlib.asynccontextmanager
async def connect(access: Access) -> AsyncIterator[Connection]:
    """Connect as long as the context lasts; the cluster is not asked anything yet.

    Raises:
        Mistake: no cluster is configured, or its configuration cannot be used.
        ClusterUnavailable: who we are cannot be found out now.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            cluster = await stack.enter_async_context(
                Cluster.connect(
                    kubeconfig=access.kubeconfig, context=access.context, manager=FIELD_MANAGER
                )
            )
        except ClusterUnavailable:
            raise
        except ClusterError as error:
            raise Mistake(error.message, code=error.code) from error
        yield Connection(
            cluster=cluster,
            namespace=access.namespace or cluster.namespace or storing.NAMESPACE,
            system_namespace=access.system_namespace,
        )
