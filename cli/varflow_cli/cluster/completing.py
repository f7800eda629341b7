"""Names for the shell's completion, from the cluster that the half-typed command line means.

Completion has no place for errors: where the cluster does not answer at once there are no names.
"""

from __future__ import annotations

import asyncio
from typing import Final

import click

_SECONDS: Final = 5.0
"""Somebody is waiting at a prompt; longer than this the cluster is as good as away."""


def workflows(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of workflows that begin with what was typed, if a cluster is meant."""
    return _complete(context, "Workflow", incomplete) if context.params.get("in_cluster") else []


def workflows_of_cluster(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the same for a command that is about a cluster anyway."""
    return _complete(context, "Workflow", incomplete)


def instances(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of instances that begin with what was typed."""
    return _complete(context, "WorkflowInstance", incomplete)


def _complete(context: click.Context, kind: str, incomplete: str) -> list[str]:
    from varflow.errors import VarflowError

    try:
        found = asyncio.run(_find(context, kind))
    except (VarflowError, click.ClickException, OSError, TimeoutError):
        return []
    return [name for name in found if name.startswith(incomplete)]


async def _find(context: click.Context, kind: str) -> list[str]:
    from varflow_cli.cluster import connecting
    from varflow_cli.cluster.connecting import Access
    from varflow_operator.kinds import INSTANCE, WORKFLOW

    wanted = next(it for it in (INSTANCE, WORKFLOW) if it.name == kind)
    names = ("kubeconfig", "context", "namespace")
    access = Access(**{name: context.params.get(name) for name in names})
    async with asyncio.timeout(_SECONDS), connecting.connect(access) as connection:
        found = connection.cluster.list(wanted, connection.namespace)
        return [obj["metadata"]["name"] async for obj in found]
