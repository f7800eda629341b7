"""`varflow keys`: what the values of a namespace in a cluster are encrypted with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from varflow_cli.console import options, streams

if TYPE_CHECKING:
    from varflow_cli.cluster.connecting import Access

_namespace = click.option(
    "--namespace", "-n", metavar="NAME", help="By default the context's, else `default`."
)


def _access(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--namespace`, what says how to reach the cluster, and `--debug`."""
    return _namespace(options.access(options.debug(command)))


@click.group("keys")
def command() -> None:
    """List and change the encryption keys of a namespace in a cluster.

    To change the key: `add` one, wait until all function pods are new ones, then `use` it. Values
    are encrypted with it when they are written next; `varflow store encrypt -k --write` does that
    with all of them. Then `rm` the older keys.
    """


@command.command("ls")
@_access
def ls(**given: Any) -> None:
    """List the ids of the keys; the first is written with."""
    from varflow_cli.cluster import keys
    from varflow_cli.console import loops

    _show(loops.run(keys.find(_parse(given))))


@command.command("add")
@_access
def add(**given: Any) -> None:
    """Add a new key, to read with, and say its id."""
    from varflow_cli.cluster import keys
    from varflow_cli.console import loops

    ring = loops.run(keys.add(_parse(given)))
    added = ring[-1]
    streams.tell(f"key {added} is added; when all function pods are new: varflow keys use {added}")


@command.command("use")
@click.argument("key_id", metavar="ID")
@_access
def use(*, key_id: str, **given: Any) -> None:
    """Write with key ID from now on."""
    from varflow_cli.cluster import keys
    from varflow_cli.console import loops

    _show(loops.run(keys.use(_parse(given), key_id)))


@command.command("rm")
@click.argument("key_id", metavar="ID")
@options.yes
@_access
def rm(*, key_id: str, is_confirmed: bool, **given: Any) -> None:
    """Remove key ID, unless something in the store is encrypted with it.

    First wait until all function pods are those that write with another one.
    """
    from varflow_cli.cluster import keys
    from varflow_cli.console import loops

    options.confirm(
        f"Remove key {key_id}? What was copied elsewhere can no longer be read with these keys.",
        is_confirmed=is_confirmed,
    )
    _show(loops.run(keys.remove(_parse(given), key_id)))


def _parse(given: dict[str, Any]) -> Access:
    from varflow_cli.cluster.connecting import Access

    return Access.of(given)


def _show(ids: list[str]) -> None:
    with streams.printing():
        sys.stdout.write("".join(f"{key_id}\n" for key_id in ids))
