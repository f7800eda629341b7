"""`python -m bench [ROW…] [--quick]`: measure, and print the table of design §9.

Measured only when named: `s3`, `operators` and `cluster`, which build an S3 server, an API server
and a node the first time.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Protocol

from bench import table
from bench.rows import (
    archives,
    cluster,
    commands,
    listings,
    operators,
    requests,
    s3,
    streams,
    workflows,
)
from bench.table import Row


class Measurement(Protocol):
    """Fills some rows; is given an empty folder on a real disk and whether to be quick."""

    def __call__(self, folder: Path, *, is_quick: bool) -> list[Row]: ...


MEASUREMENTS: dict[str, Measurement] = {
    "requests": requests.measure,
    "archives": archives.measure,
    "streams": streams.measure,
    "commands": commands.measure,
    "listings": listings.measure,
    "workflows": workflows.measure,
    "s3": s3.measure,
    "operators": operators.measure,
    "cluster": cluster.measure,
}
ON_ITS_OWN = ("requests", "archives", "streams", "commands", "listings", "workflows")
"""What needs nothing but this machine; measured when no row is named."""


def main() -> None:
    """Measure what the arguments name and print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="smaller amounts, rougher figures")
    parser.add_argument("--dir", default=".", help="where to write; default: this folder's disk")
    options = parser.parse_args()
    rows: list[Row] = []
    for name in options.rows or ON_ITS_OWN:
        with tempfile.TemporaryDirectory(prefix=".bench-", dir=options.dir) as folder:
            rows += MEASUREMENTS[name](Path(folder).resolve(), is_quick=options.quick)
    print(table.render(rows))


if __name__ == "__main__":
    main()
