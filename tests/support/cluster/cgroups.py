"""A control group that a node's pods are below, on machines with cgroups of either version.

Every kubelet removes pods it does not know from its group, so two nodes need two; and groups,
unlike all else that a node makes, stay when its processes end.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
WANTED = ("cpu", "cpuset", "memory", "pids", "hugetlb")
END_SECONDS = 20.0


@contextlib.contextmanager
def made() -> Iterator[str]:
    """Make a group in every hierarchy; the processes in it must have ended at the end."""
    name = f"varflow-{secrets.token_hex(4)}"
    hierarchies = _hierarchies()
    for hierarchy in hierarchies:
        (hierarchy / name).mkdir()
        _pass_on(hierarchy, to=hierarchy / name)
    try:
        yield f"/{name}"
    finally:
        for hierarchy in hierarchies:
            _remove(hierarchy / name)


def _hierarchies() -> list[Path]:
    """Return the one of version 2, or all those of version 1."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink()]


def _pass_on(hierarchy: Path, *, to: Path) -> None:
    """Let groups further below be limited, too; version 1 has no such switch."""
    if not (hierarchy / "cgroup.controllers").exists():
        return
    there = set((hierarchy / "cgroup.controllers").read_text().split())
    for group in (hierarchy, to):
        for controller in there.intersection(WANTED):
            (group / "cgroup.subtree_control").write_text(f"+{controller}")


def _remove(group: Path) -> None:
    deadline = time.monotonic() + END_SECONDS
    for folder, _, _ in os.walk(group, topdown=False):
        while True:
            try:
                os.rmdir(folder)
                break
            except OSError:  # busy until the kernel has buried the last process
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
