"""containerd and runc: what runs a node's containers, from images that were loaded."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.cluster import archives, programs, system_packages
from tests.support.cluster.archives import Image
from tests.support.cluster.commands import run
from tests.support.cluster.namespaces import Namespaces
from tests.support.cluster.processes import Processes

SOCKET = Path("/run/containerd/containerd.sock")
PAUSE_IMAGE = "localhost/pause:1"

_CONFIG = """
version = 3
root = "{folder}/containerd"
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true  # virtual machines without it refuse to start containers
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{plugins}"]
conf_dir = "{folder}/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
BinaryName = "{runc}"
"""


def start(processes: Processes, folder: Path, inside: Namespaces) -> None:
    """Start containerd and load the image that every pod needs."""
    config, containerd = folder / "containerd.toml", programs.find("containerd")
    plugins = next(path for path in system_packages.CNI_FOLDERS if (path / "ptp").exists())
    config.write_text(
        _CONFIG.format(
            folder=folder, pause=PAUSE_IMAGE, plugins=plugins, runc=programs.find("runc")
        )
    )
    # It finds its shim on the PATH.
    path = f"{containerd.parent}{os.pathsep}{os.environ['PATH']}"
    processes.start("containerd", containerd, "--config", config, env={"PATH": path})
    socket = socket_of(inside)
    processes.wait_until(socket.exists, what="containerd listens")
    pause = Image(
        PAUSE_IMAGE,
        layers=(archives.layer(folder / "pause.tar", {"pause": programs.find("pause")}),),
        entrypoint=("/pause",),
    )
    load(socket, archives.write(folder / "pause-image.tar", pause))


def socket_of(inside: Namespaces) -> Path:
    """Return the socket as it is seen from the machine."""
    return Path(f"/proc/{inside.pid}/root{SOCKET}")


def load(socket: Path, archive: Path) -> None:
    """Load the images of an archive."""
    ctr = (str(programs.find("ctr")), "--address", str(socket), "--namespace", "k8s.io")
    run(*ctr, "images", "import", str(archive))
