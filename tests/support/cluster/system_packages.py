"""What a node and its images need of the operating system, and how that is installed.

On Debian and Ubuntu, as root, what is missing is installed; elsewhere it is named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import places
from tests.support.cluster.places import ClusterError

CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, and how to see that what it brings is there."""

    name: str
    is_there: Callable[[], bool]


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _library(name: str) -> Callable[[], bool]:
    command = ["pkg-config", "--exists", name]
    return lambda: (
        shutil.which("pkg-config") is not None
        and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


def _plugins() -> bool:
    return any((folder / "ptp").exists() for folder in CNI_FOLDERS)


FOR_C = (
    Package("gcc", _program("gcc")),
    Package("libc6-dev", Path("/usr/include/stdlib.h").exists),
    Package("pkg-config", _program("pkg-config")),
    Package("libseccomp-dev", _library("libseccomp")),
)
FOR_NODE = (
    Package("iptables", _program("iptables")),
    Package("iproute2", _program("ip")),
    Package("containernetworking-plugins", _plugins),
    Package("util-linux", _program("nsenter")),
)
FOR_IMAGES = (
    Package("buildah", _program("buildah")),
    Package("mmdebstrap", _program("mmdebstrap")),
)


def require(*packages: Package) -> None:
    """See that the packages are installed, by installing them if that is possible."""
    missing = [package.name for package in packages if not package.is_there()]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError(
            f"install what these Debian packages bring, then try again: {' '.join(missing)}"
        )
    places.say(f"apt-get install {' '.join(missing)}")
    _apt_get("update")
    _apt_get("install", "--yes", "--no-install-recommends", *missing)


def _apt_get(*words: str) -> None:
    done = subprocess.run(
        ["apt-get", "--quiet", *words],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ClusterError(f"apt-get {words[0]} failed: {done.stderr.strip()[-1000:]}")
