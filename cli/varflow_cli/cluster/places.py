"""Variables in the store of a cluster, named by the objects that own them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final, Self

from varflow.errors import StoreUnsafe
from varflow.variables.probe import probing
from varflow.variables.scopes import Owners, Scope
from varflow.variables.stores.base import ObjectStore
from varflow_cli.cluster import connecting, stores
from varflow_cli.cluster.connecting import Access
from varflow_cli.stores import editing
from varflow_cli.stores.checking import Part
from varflow_cli.stores.editing import Opened, Whose
from varflow_cli.stores.renewing import Place

STORE: Final = "the cluster's store"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlace:
    """The variables of an object that is there now; its successor's are others."""

    access: Access
    scope: Scope
    workflow: str
    instance: str

    @classmethod
    def parse(
        cls, access: Access, *, scope: str | None, workflow: str | None, instance: str | None
    ) -> Self:
        """Return the place that the options name.

        Raises:
            Mistake: the scope's owner is not given.
        """
        chosen = editing.choose_scope(scope, workflow=workflow, instance=instance)
        return cls(
            access=access,
            scope=chosen,
            workflow=(workflow or "") if chosen is Scope.WORKFLOW else "",
            instance=(instance or "") if chosen is Scope.INSTANCE else "",
        )

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Opened]:
        """Connect and open the store, as long as the context lasts.

        Raises:
            ObjectNotFound: the owner is not there, or Varflow is not.
            ClusterError, StoreError: cluster or store cannot be reached, or refuse.
        """
        async with connecting.connect(self.access) as connection:
            owners = await stores.find_owners(
                connection, workflow=self.workflow, instance=self.instance
            )

            async def find_owners(whose: Whose) -> Owners:
                namespace = whose.namespace or connection.namespace
                return await stores.find_owners(
                    replace(connection, namespace=namespace),
                    workflow=whose.workflow,
                    instance=whose.instance,
                )

            async with stores.open_variables(connection) as variables:
                yield Opened(
                    variables=variables,
                    owners=owners,
                    scope=self.scope,
                    store=STORE,
                    find_owners=find_owners,
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterWhole:
    """The store of a cluster, and what in it is of one cluster: by default of this one."""

    access: Access
    cluster: str

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Part]:
        """Connect and open the store, as long as the context lasts.

        Raises:
            ObjectNotFound: Varflow is not there.
            ClusterError, StoreError: cluster or store cannot be reached, or refuse.
        """
        async with connecting.connect(self.access) as connection:
            cluster = self.cluster or await stores.find_cluster(connection)
            async with stores.open_variables(connection) as variables:
                yield Part(store=variables.store, cluster=cluster)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterGround:
    """A namespace of a cluster, and what of it is in the store."""

    access: Access
    is_writing: bool

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Place]:
        """Connect and open the store, as long as the context lasts.

        Raises:
            ObjectNotFound: Varflow is not there.
            StoreUnsafe: the store does not compare, and values are to be written again.
            ClusterError, StoreError: cluster or store cannot be reached, or refuse.
        """
        async with connecting.connect(self.access) as connection:
            owners = await stores.find_owners(connection)
            async with stores.open_variables(connection) as variables:
                if self.is_writing:
                    await _probe(variables.store)
                yield Place(variables.store, owners)


async def _probe(store: ObjectStore) -> None:
    """Have a store show that it compares, also where it was accepted without.

    There, writing a value again could undo what somebody else writes at that moment.
    """
    if not store.needs_probe:
        return
    report = await probing.probe(store)
    if report.faults:
        raise StoreUnsafe(f"{probing.complain(report, STORE)}; nothing is written again there")
