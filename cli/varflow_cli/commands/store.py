"""`varflow store`: a store as a whole."""

from __future__ import annotations

import sys

import click

from varflow_cli import failures, options, streams


@click.group("store")
def command() -> None:
    """Look at a store as a whole."""


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
    from varflow_cli import loops, probes, storing

    url = storing.shown_store_url(store)
    report = loops.run(probes.probe(url))
    with streams.printing():
        sys.stdout.write(probes.as_json(report, url=url) if is_json else probes.as_text(report))
    streams.tell(f"varflow: {probes.summary(report, url=url)}")
    context.exit(0 if report.verdict else failures.FAILED)
