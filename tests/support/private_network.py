"""Commands in a network of their own, so that ports which cannot be chosen are free.

Linux lets every user make a network namespace where that is not switched off; elsewhere the tests
wait until the ports are free on this machine.
"""

from __future__ import annotations

import functools
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import ExitStack

import pytest

_LOOPBACK_UP = "ip link set lo up && exec "


@functools.cache
def wrapper() -> tuple[str, ...]:
    """Return the words that give the command after them a network, or none where they cannot."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return ()
    words = ("unshare", "--map-root-user", "--net", "sh", "-c", f'{_LOOPBACK_UP}"$@"', "sh")
    tried = subprocess.run([*words, "true"], capture_output=True, check=False)
    return words if tried.returncode == 0 else ()


def wrapper_for(ports: Iterable[int], *, seconds: float = 60.0) -> tuple[str, ...]:
    """Return the same, having waited for the ports if need be."""
    words = wrapper()
    deadline = time.monotonic() + seconds
    while not words and not are_free(ports):
        if time.monotonic() > deadline:
            pytest.skip(f"another program has one of the ports {ports}")
        time.sleep(0.1)
    return words


def are_free(ports: Iterable[int]) -> bool:
    """Tell whether nobody has any of the ports on 127.0.0.1."""
    with ExitStack() as probes:
        try:
            for port in ports:
                probe = probes.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
