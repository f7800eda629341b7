"""`varflow workflow`: workflows as owners of variables."""

from __future__ import annotations

import click

from varflow_cli.console import options, streams


@click.group("workflow")
def command() -> None:
    """End the life of a workflow's variables."""


@command.command("rm")
@click.argument("name")
@options.storage
@options.accept_unsafe_store
@options.yes
def remove(
    *,
    name: str,
    store: str | None,
    namespace: str | None,
    is_confirmed: bool,
    accepts_unsafe_store: bool,
) -> None:
    """Remove all variables and states of workflow NAME, as deleting it does in a cluster."""
    from varflow_cli.console import loops
    from varflow_cli.stores import lifetimes, storing

    owners = storing.make_owners(namespace=namespace or storing.NAMESPACE, workflow=name)
    options.confirm(
        f"Remove all variables of workflow {name} in namespace {owners.namespace}?",
        is_confirmed=is_confirmed,
    )
    ending = lifetimes.end_workflow(
        storing.shown_store_url(store), owners, accepts_unsafe_store=accepts_unsafe_store
    )
    count = loops.run(ending)
    streams.tell(lifetimes.describe(count))
