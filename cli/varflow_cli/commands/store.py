"""`varflow store`: a store as a whole."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from varflow_cli.console import choosing, failures, options, streams

if TYPE_CHECKING:
    from varflow_cli.stores.checking import Whole
    from varflow_cli.stores.renewing import Ground


@click.group("store")
def command() -> None:
    """Look at a store as a whole: its promises, what is in it, and what it is encrypted with."""


@command.command(
    "probe",
    epilog="Exit codes: 0 all promises hold, 1 the store lies, or could not be probed, "
    "2 the command line is wrong.",
)
@options.store
@options.as_json
@options.debug
@click.pass_context
def probe(context: click.Context, /, *, store: str | None, is_json: bool) -> None:
    """Try out whether a store does what Varflow needs; a second, and it is left as it was.

    Commands that write do this by themselves with a bucket, once a day.
    """
    from varflow_cli.console import loops
    from varflow_cli.stores import probes, storing

    url = storing.shown_store_url(store)
    report = loops.run(probes.probe(url))
    with streams.printing():
        sys.stdout.write(probes.as_json(report, url=url) if is_json else probes.as_text(report))
    streams.tell(f"varflow: {probes.summary(report, url=url)}")
    context.exit(0 if report.verdict else failures.FAILED)


@command.command(
    "check",
    epilog="Exit codes: 0 nothing is wrong, 1 something is, or the store could not be looked "
    "through, 2 the command line is wrong, 6 the cluster cannot be reached.",
)
@options.kubernetes
@options.store
@options.access
@click.option("--cluster", metavar="UID", help="Only what belongs to this cluster.")
@click.option("--repair", "is_repairing", is_flag=True, help="Mend what can be mended safely.")
@options.accept_unsafe_store
@click.option(
    "--older-than",
    "unused",
    callback=options.parse_duration,
    metavar="DURATION",
    help="What nobody has named for that long may go; by default 1 day and 15 minutes. It must be "
    "longer than the longest action; 0s is for a store that nobody uses at the moment.",
)
@options.as_json
@options.debug
@click.pass_context
def check(
    context: click.Context,
    /,
    *,
    is_repairing: bool,
    unused: timedelta | None,
    is_json: bool,
    **given: Any,
) -> None:
    """Look for what is damaged, half done or left over; nothing is changed without --repair."""
    from varflow.engine import timeouts
    from varflow.variables.sweep.findings import DAY_SECONDS, UNSETTLED_SECONDS, Ages
    from varflow_cli.console import loops
    from varflow_cli.stores import checking

    usual = timeouts.ACTION_SECONDS + DAY_SECONDS
    unused_seconds = usual if unused is None else unused.total_seconds()
    ages = Ages(unused=unused_seconds, unsettled=min(UNSETTLED_SECONDS, unused_seconds))
    whole, url = _whole(context, given, is_repairing=is_repairing)
    report = loops.run(checking.check(whole, ages=ages, is_repairing=is_repairing))
    with streams.printing():
        text = checking.as_text(report).encode()
        sys.stdout.buffer.write(checking.as_json(report, url=url) if is_json else text)
    for note in report.notes:
        streams.tell(f"varflow: {note}")
    streams.tell(f"varflow: {checking.summary(report)}")
    context.exit(failures.FAILED if report.wrong else 0)


@command.command(
    "encrypt",
    epilog="Exit codes: 0 everything is encrypted with the current key, 1 something is not, or the "
    "store could not be looked through, 2 the command line is wrong, 3 nothing is in the "
    "namespace, 6 the cluster cannot be reached.",
)
@options.kubernetes
@options.store
@options.access
@click.option(
    "--namespace",
    "-n",
    metavar="NAME",
    help="Whose values; in a cluster by default the context's, else `default`.",
)
@click.option("--cluster", metavar="UID", help="Of which cluster, in a store that has a cluster's.")
@click.option("--write", "is_writing", is_flag=True, help="Encrypt anew what needs another key.")
@options.accept_unsafe_store
@options.as_json
@options.debug
@click.pass_context
def encrypt(context: click.Context, /, *, is_writing: bool, is_json: bool, **given: Any) -> None:
    """Count what needs which key; with --write encrypt with the current key what needs another.

    It may run beside everybody who works with the store, and be given again after it was stopped.
    """
    from varflow_cli.console import loops
    from varflow_cli.stores import renewals, renewing

    ground, url = _ground(context, given, is_writing=is_writing)
    report = loops.run(renewing.encrypt(ground, is_writing=is_writing))
    with streams.printing():
        text = renewals.as_text(report).encode()
        sys.stdout.buffer.write(renewals.as_json(report, url=url) if is_json else text)
    for note in renewals.notes(report):
        streams.tell(f"varflow: {note}")
    streams.tell(f"varflow: {renewals.summary(report, is_writing=is_writing)}")
    context.exit(failures.FAILED if report.remaining else 0)


def _ground(
    context: click.Context, given: dict[str, Any], *, is_writing: bool
) -> tuple[Ground, str]:
    """Return the namespace that the options name, here or in a cluster, and what to call its store.

    Raises:
        Mistake: the options do not go together.
    """
    in_cluster = given.pop("in_cluster")
    choosing.check(context, in_cluster=in_cluster)
    if not in_cluster:
        return _local_ground(given, is_writing=is_writing)
    from varflow_cli.cluster.connecting import Access
    from varflow_cli.cluster.places import STORE, ClusterGround

    if given["cluster"]:
        raise failures.Mistake("--cluster is not for -k: the keys are those of that cluster")
    return ClusterGround(access=Access.of(given), is_writing=is_writing), STORE


def _local_ground(given: dict[str, Any], *, is_writing: bool) -> tuple[Ground, str]:
    from varflow_cli.stores import checking, renewing, storing

    url = storing.shown_store_url(given["store"])
    owners = storing.make_owners(namespace=given["namespace"] or storing.NAMESPACE)
    cluster = given["cluster"] or owners.cluster
    accepts_unsafe = given["accepts_unsafe_store"] if is_writing else None
    whole = checking.LocalWhole(url=url, cluster=cluster, accepts_unsafe_store=accepts_unsafe)
    return renewing.LocalGround(whole=whole, owners=replace(owners, cluster=cluster)), url


def _whole(
    context: click.Context, given: dict[str, Any], *, is_repairing: bool
) -> tuple[Whole, str]:
    """Return the store that the options name, here or in a cluster, and what to call it."""
    from varflow_cli.stores import checking, storing

    in_cluster = given.pop("in_cluster")
    choosing.check(context, in_cluster=in_cluster)
    if in_cluster:
        from varflow_cli.cluster.connecting import Access
        from varflow_cli.cluster.places import STORE, ClusterWhole

        access = Access.of({"namespace": None, **given})
        return ClusterWhole(access=access, cluster=given["cluster"] or ""), STORE
    url = storing.shown_store_url(given["store"])
    accepts = given["accepts_unsafe_store"] if is_repairing else None
    whole = checking.LocalWhole(
        url=url, cluster=given["cluster"] or "", accepts_unsafe_store=accepts
    )
    return whole, url
