"""`varflow var`: the variables in a store, as bytes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from varflow_cli.console import choosing, options, streams
from varflow_cli.console.failures import Mistake

if TYPE_CHECKING:
    from varflow.variables.writes.preconditions import Conditions
    from varflow_cli.stores.editing import Place, Whose


_LOCAL: Final = ("store", "namespace", "scope", "workflow", "instance")
"""What says whose variables are meant in a store of this machine."""


_revision = click.option(
    "--revision", metavar="REVISION", help="An older one, where the store keeps some."
)
_create = click.option(
    "--create", "is_new", is_flag=True, help="Only if the variable is not there; else exit code 5."
)
_if_match = click.option(
    "--if-match",
    metavar="REVISION",
    help="Only if the variable has this revision, `*` for any; else exit code 5.",
)
_ttl = click.option(
    "--ttl",
    metavar="SECONDS|none",
    help="When it expires; none for never. By default the present expiry stays.",
)


@click.group("var")
def command() -> None:
    """List, read, write, copy and remove variables, here or with -k in a cluster.

    Values are bytes: get writes them to standard output and set reads them from standard input.
    """


@command.command("ls")
@options.place
@click.option("--prefix", default="", metavar="TEXT", help="Only keys that begin with it.")
@click.option("--long", "-l", "is_long", is_flag=True, help="Also since when, and who wrote it.")
@options.as_json
def ls(*, prefix: str, is_long: bool, is_json: bool, **place: Any) -> None:
    """List the variables of a scope; never their values."""
    from varflow_cli.console import loops
    from varflow_cli.stores import showing

    loops.run(showing.show(_place(**place), prefix=prefix, is_long=is_long, is_json=is_json))


@command.command("get")
@click.argument("key")
@_revision
@options.place
def get(*, key: str, revision: str | None, **place: Any) -> None:
    """Write the bytes of variable KEY to standard output; exit code 3 when it is not there."""
    from varflow_cli.console import loops
    from varflow_cli.stores import editing

    loops.run(editing.read(_place(**place), key, rev=revision))


@command.command("set")
@click.argument("key")
@options.place
@options.accept_unsafe_store
@_create
@_if_match
@click.option("--value", metavar="TEXT", help="The value, instead of standard input.")
@click.option(
    "--file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with the value, instead of standard input.",
)
@click.option("--content-type", metavar="TYPE", help="Its type; by default the present one stays.")
@_ttl
def set_(
    *,
    key: str,
    value: str | None,
    file: Path | None,
    content_type: str | None,
    ttl: str | None,
    is_new: bool,
    if_match: str | None,
    **place: Any,
) -> None:
    """Write variable KEY from standard input; exit code 5 when a condition does not hold."""
    from varflow_cli.console import loops
    from varflow_cli.stores import editing

    if value is not None and file is not None:
        raise Mistake("give --value or --file, not both")
    conditions = _conditions(is_new=is_new, if_match=if_match)
    with editing.open_source(value=value, file=file) as source:
        written = editing.write(
            _place(creates=True, **place),
            key,
            source,
            content_type=content_type,
            ttl=editing.parse_ttl(ttl),
            conditions=conditions,
        )
        info = loops.run(written)
    streams.tell(f"{info.key}: {info.size} bytes, revision {info.rev}")


@command.command("cp")
@click.argument("source")
@click.argument("target")
@options.place
@options.accept_unsafe_store
@_revision
@click.option(
    "--to-scope",
    type=click.Choice(["namespace", "workflow", "instance"]),
    help="The target's scope, if it is another one; likewise:",
)
@click.option(
    "--to-namespace", metavar="NAME", callback=options.parse_name, help="The target's namespace."
)
@click.option(
    "--to-workflow", metavar="NAME", callback=options.parse_name, help="The target's workflow."
)
@click.option(
    "--to-instance", metavar="ID", callback=options.parse_name, help="The target's instance."
)
@click.option(
    "--create/--force",
    "is_new",
    default=False,
    help="Only if the target is not there, else exit code 5; or, as by default, replace it.",
)
@_if_match
@_ttl
def cp(
    *,
    source: str,
    target: str,
    revision: str | None,
    is_new: bool,
    if_match: str | None,
    ttl: str | None,
    **given: Any,
) -> None:
    """Copy variable SOURCE to key TARGET, in the same scope or in another of the same store."""
    from varflow_cli.console import loops
    from varflow_cli.stores import editing

    conditions = _conditions(is_new=is_new, if_match=if_match)
    to = {name: given.pop(f"to_{name}") for name in ("namespace", "scope", "workflow", "instance")}
    whose = _whose(to, given)
    info = loops.run(
        editing.copy(
            _place(**given),
            source,
            target,
            whose,
            rev=revision,
            ttl=editing.parse_ttl(ttl),
            conditions=conditions,
        )
    )
    streams.tell(f"{info.key}: {info.size} bytes, revision {info.rev}")


@command.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@options.place
@click.option("--prefix", default="", metavar="TEXT", help="Only keys that begin with it.")
def export(*, file: Path, prefix: str, **place: Any) -> None:
    """Write the variables of a scope into the tar archive FILE; `-` is standard output."""
    from varflow_cli.console import loops
    from varflow_cli.transfers import exporting

    if str(file) == "-" and sys.stdout.isatty():
        raise Mistake("an archive is not for a terminal; name a file, or pipe it on")
    with _export_target(file) as sink:
        done = loops.run(exporting.export(_place(**place), sink, prefix=prefix))
    streams.tell(f"{done.count} variables exported, {done.size} bytes")


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@options.place
@options.accept_unsafe_store
@click.option("--replace", "is_replacing", is_flag=True, help="Replace variables that are there.")
@click.option("--skip-existing", "is_skipping", is_flag=True, help="Leave them as they are.")
def import_(*, file: Path, is_replacing: bool, is_skipping: bool, **place: Any) -> None:
    """Write the variables of the archive FILE into a scope; `-` is standard input.

    By default nothing is written when one of them is there already: exit code 5. A file is checked
    as a whole before anything is written. Then each variable is written by itself.
    """
    from varflow_cli.console import loops
    from varflow_cli.stores import editing
    from varflow_cli.transfers import importing
    from varflow_cli.transfers.importing import Existing

    if is_replacing and is_skipping:
        raise Mistake("give --replace or --skip-existing, not both")
    existing = Existing.REPLACE if is_replacing else Existing.REFUSE
    existing = Existing.SKIP if is_skipping else existing
    path = None if str(file) == "-" else file
    with editing.open_source(value=None, file=path) as source:
        done = loops.run(
            importing.import_(_place(creates=True, **place), source, existing=existing)
        )
    counts = {"skipped": done.skipped, "expired meanwhile": done.expired}
    others = "".join(f", {count} {what}" for what, count in counts.items() if count)
    streams.tell(f"{done.written} variables written{others}")


@command.command("rm")
@click.argument("key")
@options.place
@options.accept_unsafe_store
def rm(*, key: str, **place: Any) -> None:
    """Remove variable KEY; that it is not there is no error."""
    from varflow_cli.console import loops
    from varflow_cli.stores import editing

    loops.run(editing.remove(_place(**place), key))


@contextlib.contextmanager
def _export_target(file: Path) -> Iterator[BinaryIO]:
    from varflow_cli.transfers import exporting

    if str(file) != "-":
        with streams.naming(file), exporting.open_target(file) as sink:
            yield sink
        return
    with streams.printing():
        yield sys.stdout.buffer


def _conditions(*, is_new: bool, if_match: str | None) -> Conditions:
    from varflow.variables.writes.preconditions import Conditions

    if is_new and if_match is not None:
        raise Mistake("give --create or --if-match, not both: one wants it absent, one there")
    return Conditions(create=is_new, if_match=if_match)


def _whose(to: dict[str, Any], source: dict[str, Any]) -> Whose | None:
    """Return the target's owner, or None when it is the source's."""
    from varflow_cli.stores import editing
    from varflow_cli.stores.editing import Whose

    if not any(to.values()):
        return None
    owner = to if any(to[name] for name in ("scope", "workflow", "instance")) else source
    scope = editing.choose_scope(
        owner["scope"], workflow=owner["workflow"], instance=owner["instance"]
    )
    return Whose(
        namespace=to["namespace"] or "",
        scope=scope,
        workflow=owner["workflow"] or "",
        instance=owner["instance"] or "",
    )


def _place(*, creates: bool = False, **given: Any) -> Place:
    """Return the place that the options name, here or in a cluster; `creates` makes its store."""
    in_cluster = given.pop("in_cluster")
    choosing.check(click.get_current_context(), in_cluster=in_cluster)
    if in_cluster:
        return _cluster_place(given)
    from varflow_cli.stores import editing

    own = {name: given[name] for name in _LOCAL}
    accepts = given.get("accepts_unsafe_store")
    return editing.parse_place(**own, creates=creates, accepts_unsafe_store=accepts)


def _cluster_place(given: dict[str, Any]) -> Place:
    from varflow_cli.cluster.connecting import Access
    from varflow_cli.cluster.places import ClusterPlace

    whose = {name: given[name] for name in ("scope", "workflow", "instance")}
    return ClusterPlace.parse(Access.of(given), **whose)
