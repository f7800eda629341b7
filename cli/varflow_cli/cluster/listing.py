"""Instances as they are now: all of them, or everything about one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from varflow_cli.cluster import connecting, instances, outputs
from varflow_cli.cluster.connecting import Access
from varflow_cli.cluster.views import InstanceView
from varflow_cli.console.failures import Failure
from varflow_operator.kinds import INSTANCE


async def find_all(
    access: Access, *, in_all: bool, workflow: str | None, phase: str | None
) -> Sequence[InstanceView]:
    """Return the instances that the options choose, the oldest first.

    Chosen here and not by labels: who creates an instance with kubectl gives it none.
    """
    async with connecting.connect(access) as connection:
        where = None if in_all else connection.namespace
        found = [InstanceView.of(it) async for it in connection.cluster.list(INSTANCE, where)]
    chosen = [view for view in found if workflow in {None, view.workflow}]
    chosen = [view for view in chosen if phase in {None, view.phase}]
    return sorted(chosen, key=lambda view: (view.created, view.namespace, view.name))


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything about one instance."""

    view: InstanceView
    output: Any
    failure: Failure | None
    """Why its output is not here."""


async def find_whole(access: Access, name: str) -> Whole:
    """Return an instance and its output, which is fetched from the store if it is large.

    Raises:
        ObjectNotFound: there is no such instance.
        ClusterError: the cluster does not say.
    """
    async with connecting.connect(access) as connection:
        view = await instances.find(connection, name)
        try:
            return Whole(view, await outputs.find(connection, view), None)
        except Failure as failure:
            return Whole(view, None, failure)
