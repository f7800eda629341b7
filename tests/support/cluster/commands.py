"""Calling other programs to their end."""

from __future__ import annotations

import subprocess

from tests.support.cluster.places import ClusterError

LAST = 2000
"""How much of what a failed program said is told."""


def run(*command: str) -> str:
    """Return what the command printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-LAST:]
        raise ClusterError(f"{' '.join(command)}: {said}")
    return done.stdout


def succeeds(*command: str) -> bool:
    """Tell whether the command can be called and succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
