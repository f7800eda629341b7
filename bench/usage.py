"""What a process takes of the machine, as Linux accounts for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int, *, peak: bool = False) -> int:
    """Return a process's resident memory, now or at its highest."""
    name = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"no {name} in the status of process {pid}")


def forget_peak(pid: int) -> None:
    """Let `resident_bytes(peak=True)` start anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def processor_seconds(pid: int) -> float:
    """Return how long a process has run on any core."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in found.split()]
