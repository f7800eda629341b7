"""Servers that several processes share, and that end with the last of them.

Test processes of one run (pytest-xdist's workers) want one API server together. The first one
starts a *keeper*, which starts the servers; everybody holds a shared lock while using them. The
keeper waits for that lock alone: the kernel hands it over once every user has closed it or died,
so nothing has to be counted, and a killed test run leaves nothing behind. Servers that a developer
starts by hand (`up`) wait for a signal (`down`) instead.

    users.lock     shared: a user; exclusive: the keeper, when it ends
    starting.lock  a user that looks for the keeper, or starts it
    keeper.lock    the keeper as long as it lives; its process id is inside
    ready.json     how the servers are reached, while they are
    *.log          what the servers printed, once they have ended

Rejected: servers per worker (500 MB each); counting users in a file (wrong after a crash).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType

from tests.support.cluster import control_plane, locks, node, places, s3_servers
from tests.support.cluster.places import ClusterError

Facts = dict[str, str]
"""How servers are reached."""

KINDS: dict[str, Callable[[Path], AbstractContextManager[Facts]]] = {
    "control": control_plane.running,
    "node": node.running,
    "s3": s3_servers.versitygw,
    "minio": s3_servers.minio,
}

READY = b"ready"
STOP_SECONDS = 60.0


@contextlib.contextmanager
def using(kind: str, folder: Path) -> Iterator[Facts]:
    """Use the servers kept in the folder, starting them if nobody has."""
    with locks.holding(folder / "users.lock", shared=True):
        with locks.holding(folder / "starting.lock"):
            if not is_kept(folder):
                start(kind, folder)
        yield read(folder)


def is_kept(folder: Path) -> bool:
    """Tell whether the servers run."""
    return locks.is_held(folder / "keeper.lock") and (folder / "ready.json").exists()


def read(folder: Path) -> Facts:
    """Return how the servers are reached."""
    if not is_kept(folder):
        raise ClusterError(f"nothing runs in {folder}; start it with: up, or up --node")
    facts: Facts = json.loads((folder / "ready.json").read_text())
    return facts


def start(kind: str, folder: Path, *, stays: bool = False) -> None:
    """Start a keeper and wait until its servers are ready."""
    folder.mkdir(parents=True, exist_ok=True)
    words = (sys.executable, "-m", __name__, kind, str(folder), "stay" if stays else "")
    done = subprocess.run(words, cwd=places.ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(done.stderr.strip())


def stop(folder: Path) -> bool:
    """End the servers that were started to stay; tell whether there were any."""
    if not is_kept(folder):
        return False
    os.kill(int((folder / "keeper.lock").read_text()), signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while locks.is_held(folder / "keeper.lock"):
        if time.monotonic() > deadline:
            raise ClusterError(f"the servers in {folder} do not end; see {folder / 'keeper.log'}")
        time.sleep(0.05)
    return True


def main() -> None:
    """Become a keeper; the process that was called returns when the servers are ready."""
    kind, folder, stays = sys.argv[1], Path(sys.argv[2]), bool(sys.argv[3])
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with open(reading, "rb") as pipe:
            answer = pipe.read()
        sys.exit(0 if answer == READY else answer.decode() or f"see {folder / 'keeper.log'}")
    os.close(reading)
    _detach(folder / "keeper.log")
    _keep(KINDS[kind], folder, stays=stays, report=writing)


def _detach(log: Path) -> None:
    """Leave the terminal and the caller's streams; its Ctrl-C is for the tests."""
    os.setsid()
    with log.open("wb") as file, open(os.devnull, "rb") as nothing:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        os.dup2(nothing.fileno(), 0)
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit()


def _keep(
    servers: Callable[[Path], AbstractContextManager[Facts]],
    folder: Path,
    *,
    stays: bool,
    report: int,
) -> None:
    ready = folder / "ready.json"
    with locks.holding(folder / "keeper.lock"), contextlib.ExitStack() as stack:
        (folder / "keeper.lock").write_text(str(os.getpid()))
        ready.unlink(missing_ok=True)
        data = stack.enter_context(_data_folder(logs=folder))
        try:
            facts = stack.enter_context(servers(data))
        except ClusterError as error:
            os.write(report, str(error).encode())
            return
        ready.write_text(json.dumps(facts))
        stack.callback(ready.unlink)
        os.write(report, READY)
        os.close(report)
        if stays:
            signal.pause()
        stack.enter_context(locks.holding(folder / "users.lock"))


@contextlib.contextmanager
def _data_folder(*, logs: Path) -> Iterator[Path]:
    """Make a folder for the servers; only their logs stay.

    In the cache, which is on a disk: images in a temporary folder may fill the memory.
    """
    scratch = places.cache() / "data"
    with contextlib.ExitStack() as stack:
        with locks.holding(scratch / "sweeping.lock"):
            _sweep(scratch)
            data = Path(tempfile.mkdtemp(dir=scratch))
            stack.enter_context(locks.holding(data.with_suffix(".kept")))
        try:
            yield data
        finally:
            for log in data.glob("*.log"):
                shutil.copy(log, logs)
            shutil.rmtree(data, ignore_errors=True)
            data.with_suffix(".kept").unlink()


def _sweep(scratch: Path) -> None:
    """Remove what killed keepers have left."""
    for left in scratch.glob("*.kept"):
        if not locks.is_held(left):
            shutil.rmtree(left.with_suffix(""), ignore_errors=True)
            left.unlink()


if __name__ == "__main__":
    main()
