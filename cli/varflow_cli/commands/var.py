"""`varflow var`: the variables in a store, as bytes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from varflow_cli import choosing, options, streams
from varflow_cli.failures import Mistake

if TYPE_CHECKING:
    from varflow_cli.editing import Place


_LOCAL: Final = ("store", "namespace", "scope", "workflow", "instance")
"""What says whose variables are meant in a store of this machine."""


@click.group("var")
def command() -> None:
    """List, read, write and remove variables, here or with -k in a cluster.

    Values are bytes: get writes them to standard output and set reads them from standard input.
    """


@command.command("ls")
@options.place
@click.option("--prefix", default="", metavar="TEXT", help="Only keys that begin with it.")
@options.as_json
def ls(*, prefix: str, is_json: bool, **place: Any) -> None:
    """List the variables of a scope; never their values."""
    from varflow_cli import editing, loops, tables

    found = loops.run(editing.find_all(_place(**place), prefix=prefix))
    with streams.printing():
        sys.stdout.write(tables.as_json(found) if is_json else tables.as_text(found))


@command.command("get")
@click.argument("key")
@options.place
@click.option("--revision", metavar="REV", help="An older one, if the store keeps it.")
def get(*, key: str, revision: str | None, **place: Any) -> None:
    """Write the bytes of variable KEY to standard output; exit code 3 when it is not there."""
    from varflow_cli import editing, loops

    loops.run(editing.read(_place(**place), key, revision=revision))


@command.command("set")
@click.argument("key")
@options.place
@options.accept_unsafe_store
@click.option("--value", metavar="TEXT", help="The value, instead of standard input.")
@click.option(
    "--file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with the value, instead of standard input.",
)
@click.option("--content-type", metavar="TYPE", help="Its type; by default the present one stays.")
@click.option(
    "--ttl",
    metavar="SECONDS|none",
    help="When it expires; none for never. By default the present expiry stays.",
)
def set_(
    *,
    key: str,
    value: str | None,
    file: Path | None,
    content_type: str | None,
    ttl: str | None,
    **place: Any,
) -> None:
    """Write variable KEY from standard input."""
    from varflow_cli import editing, loops

    if value is not None and file is not None:
        raise Mistake("give --value or --file, not both")
    with editing.open_source(value=value, file=file, stdin=sys.stdin.buffer) as source:
        written = editing.write(
            _place(**place), key, source, content_type=content_type, ttl=editing.parse_ttl(ttl)
        )
        info = loops.run(written)
    streams.tell(f"{info.key}: {info.size} bytes, revision {info.rev}")


@command.command("rm")
@click.argument("key")
@options.place
@options.accept_unsafe_store
def rm(*, key: str, **place: Any) -> None:
    """Remove variable KEY; that it is not there is no error."""
    from varflow_cli import editing, loops

    loops.run(editing.remove(_place(**place), key))


def _place(**given: Any) -> Place:
    """Return the place that the options name, here or in a cluster."""
    in_cluster = given.pop("in_cluster")
    choosing.check(click.get_current_context(), in_cluster=in_cluster)
    if in_cluster:
        return _cluster_place(given)
    from varflow_cli import editing

    own = {name: given[name] for name in _LOCAL}
    return editing.parse_place(**own, accepts_unsafe_store=given.get("accepts_unsafe_store"))


def _cluster_place(given: dict[str, Any]) -> Place:
    from varflow_cli.cluster.connecting import Access
    from varflow_cli.cluster.places import ClusterPlace

    whose = {name: given[name] for name in ("scope", "workflow", "instance")}
    return ClusterPlace.parse(Access.of(given), **whose)
