"""Building programs: once for every pin, by one process at a time, and whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import IO

from tests.support.cluster import go_toolchain, locks, places, programs, system_packages
from tests.support.cluster.places import ClusterError
from tests.support.cluster.programs import Build

PROGRESS_SECONDS = 60.0
"""Often enough to see that it has not stopped, seldom enough for the log of a CI."""

LOG_TAIL = 2000


def build(group: str) -> None:
    """Build what is missing of a group."""
    todo = programs.missing(group)
    if not todo:
        return
    minutes = sum(one.minutes for one in todo)
    places.say(f"building for {group!r}: about {minutes:.0f} min with two cores, and never again")
    go = go_toolchain.find()
    for one in todo:
        _build_once(go, one)


def _build_once(go: Path, build: Build) -> None:
    names = ", ".join(build.packages)

    def waiting() -> None:
        places.say(f"another process builds {names}; waiting for it")

    folder = build.folder
    with locks.holding(folder.with_suffix(".lock"), waiting=waiting):
        if build.is_done():
            return
        if build.needs_c:
            system_packages.require(*system_packages.FOR_C)
        shutil.rmtree(scratch := folder.with_suffix(".partial"), ignore_errors=True)
        scratch.mkdir(parents=True)
        places.say(f"building {names}")
        started = time.monotonic()
        _compile(go, build, scratch)
        scratch.rename(folder)
        places.say(f"built {names} in {time.monotonic() - started:.0f} s")


def _compile(go: Path, build: Build, folder: Path) -> None:
    log = folder.with_suffix(".log")
    cgo = {"CGO_ENABLED": "1" if build.needs_c else "0"}
    for output, packages in _outputs(build, folder).items():
        flags = ("-trimpath", f"-tags={build.tags}", f"-ldflags={build.linker_flags}")
        command = [str(go), "build", *flags, "-o", output, *packages]
        with log.open("ab") as file:
            code = _run(command, cwd=build.source, env=go_toolchain.environment() | cgo, log=file)
        if code != 0:
            said = log.read_text(errors="replace")[-LOG_TAIL:]
            raise ClusterError(
                f"{', '.join(build.packages)} could not be built from {build.source}:\n{said}\n"
                "Modules come from GOPROXY the first time; what was not reached is said above."
            )
    log.unlink()


def _outputs(build: Build, folder: Path) -> dict[str, list[str]]:
    """Packages by `-o`: several in one call share the work, but are named by their folders."""
    if all(name == os.path.basename(package) for name, package in build.packages.items()):
        return {f"{folder}{os.sep}": list(build.packages.values())}
    return {str(folder / name): [package] for name, package in build.packages.items()}


def _run(command: list[str], *, cwd: Path, env: dict[str, str], log: IO[bytes]) -> int:
    started = time.monotonic()
    with subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=log) as process:
        while True:
            try:
                return process.wait(PROGRESS_SECONDS)
            except subprocess.TimeoutExpired:
                places.say(f"  ... {(time.monotonic() - started) / 60:.0f} min")
