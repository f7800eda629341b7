"""`varflow namespace`: namespaces as owners of variables."""

from __future__ import annotations

import click

from varflow_cli.console import options, streams


@click.group("namespace")
def command() -> None:
    """End the life of a namespace's variables."""


@command.command("rm")
@click.argument("name")
@options.store
@options.accept_unsafe_store
@options.yes
@options.debug
def remove(*, name: str, store: str | None, is_confirmed: bool, accepts_unsafe_store: bool) -> None:
    """Remove all variables of namespace NAME, those of its workflows too."""
    from varflow_cli.console import loops
    from varflow_cli.stores import lifetimes, storing

    options.confirm(
        f"Remove all variables of namespace {name} and of its workflows?",
        is_confirmed=is_confirmed,
    )
    owners = storing.make_owners(namespace=name)
    ending = lifetimes.end_namespace(
        storing.shown_store_url(store), owners, accepts_unsafe_store=accepts_unsafe_store
    )
    count = loops.run(ending)
    streams.tell(lifetimes.describe(count))
