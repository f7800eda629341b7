"""Where the test cluster keeps what it builds and runs, and how it says what it does or lacks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE / "modules"
ROOT = HERE.parents[2]
"""The repository."""


class ClusterError(Exception):
    """A cluster, or a part of it, cannot be had here; the message says what would help."""


def cache() -> Path:
    """Return the folder that outlives test runs; another one: VARFLOW_TEST_CACHE."""
    given = os.environ.get("VARFLOW_TEST_CACHE")
    return Path(given).absolute() if given else Path.home() / ".cache" / "varflow-tests"


def say(line: str) -> None:
    """Tell somebody who waits what is going on."""
    sys.stderr.write(f"cluster: {line}\n")
    sys.stderr.flush()


def kept(name: str) -> Path:
    """Return the folder of the servers that `up` started, by the name of their kind."""
    return cache() / "kept" / name
