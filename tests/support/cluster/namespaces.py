"""Kernel namespaces that a node lives in, so that ending one process ends all of it.

A node makes mounts, network devices, packet filter rules and processes that outlive the program
that made them (a container's shim does so by design). In namespaces of their own they are
invisible to the machine and to other nodes, their ports and addresses are free, and all of it
goes when the first process there does. Rejected: cleaning up afterwards, rule by rule.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.cluster.commands import run
from tests.support.cluster.places import ClusterError

_KINDS = ("--mount", "--net", "--pid", "--ipc", "--uts")

_FIRST_PROCESS = """
set -e
cut -d' ' -f4 /proc/self/stat   # the parent of `cut`: this shell, as the machine numbers it
mount --make-rshared /          # kubelet passes mounts on to containers
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
echo prepared
trap '' CHLD                    # inherited by `sleep`: the kernel then reaps orphans by itself
exec sleep infinity
"""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The namespaces of one node."""

    pid: int
    """The first process, as the machine numbers it."""

    @property
    def wrapper(self) -> tuple[str, ...]:
        """Words before a command that is to run inside."""
        return ("nsenter", "--target", str(self.pid), *_KINDS, "--")

    def run(self, *command: str) -> str:
        """Run a command inside to its end."""
        return run(*self.wrapper, *command)


@contextlib.contextmanager
def made() -> Iterator[Namespaces]:
    """Make namespaces; at the end everything in them is gone."""
    # The node ends with its keeper, and its first process with `unshare`.
    dying = ("setpriv", "--pdeathsig", "KILL")
    process = subprocess.Popen(
        [*dying, "unshare", *_KINDS, "--fork", "--kill-child", "sh", "-c", _FIRST_PROCESS],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Namespaces(_first_pid(process))
        finally:
            process.kill()


def _first_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    assert process.stderr is not None
    pid, answer = process.stdout.readline(), process.stdout.readline()
    if answer != "prepared\n":
        raise ClusterError(
            f"no namespaces can be made here: {process.stderr.read().strip()}\n"
            "A node needs root on a machine, or in a privileged container."
        )
    return int(pid)
