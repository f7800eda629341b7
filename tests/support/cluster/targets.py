"""The cluster that end-to-end tests run against: the one KUBECONFIG names, or a node of ours."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import containers, keeping, places, programs, volumes
from tests.support.cluster.commands import run
from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster.places import ClusterError

LOAD = "VARFLOW_E2E_LOAD"
"""A command that loads an image archive into the cluster; {archive} in it is replaced."""


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster whose pods run."""

    kubectl: Kubectl
    helm: Path
    load: Callable[[Path], None]
    """Load the images of an archive."""


def needed_programs() -> list[str]:
    """Return the groups of programs to be built before such a cluster can be used."""
    if not os.environ.get("KUBECONFIG"):
        return ["node", "helm", "s3", "minio"]
    groups = {"kubectl": "control", "helm": "helm"}
    return ["s3", "minio", *(group for name, group in groups.items() if not shutil.which(name))]


@contextlib.contextmanager
def using(folder: Path) -> Iterator[Target]:
    """Use the cluster that KUBECONFIG names, one that `up --node` started, or a new one."""
    if given := os.environ.get("KUBECONFIG"):
        yield _named(Path(given))
        return
    stays = places.kept("node")
    with keeping.using("node", stays if keeping.is_kept(stays) else folder / "node") as facts:
        kubectl = Kubectl(programs.find("kubectl"), Path(facts["kubeconfig"]))
        volumes.supply(kubectl, Path(facts["volumes"]))
        socket = Path(facts["containerd"])
        yield Target(kubectl, programs.find("helm"), lambda one: containers.load(socket, one))


def _named(kubeconfig: Path) -> Target:
    kubectl = Kubectl(_installed("kubectl"), kubeconfig)
    words = _loading_words(kubectl)
    return Target(
        kubectl,
        _installed("helm"),
        lambda archive: _load(words, archive),
    )


def _load(words: list[str], archive: Path) -> None:
    run(*(word.format(archive=archive) for word in words))


def _loading_words(kubectl: Kubectl) -> list[str]:
    context = kubectl("config", "current-context").strip()
    versions = [item["status"]["nodeInfo"]["kubeletVersion"] for item in _nodes(kubectl)]
    if given := os.environ.get(LOAD):
        return shlex.split(given)
    if context.startswith("kind-"):
        name = context.removeprefix("kind-")
        return ["kind", "load", "image-archive", "--name", name, "{archive}"]
    if all("+k3s" in version for version in versions) and shutil.which("k3s"):
        return ["k3s", "ctr", "images", "import", "{archive}"]
    raise ClusterError(
        f"how do images get into the cluster {context!r}? Say so: "
        f"{LOAD}='some-command {{archive}}' is called for each archive"
    )


def _nodes(kubectl: Kubectl) -> list[dict[str, dict[str, dict[str, str]]]]:
    items: list[dict[str, dict[str, dict[str, str]]]] = kubectl.get("nodes")["items"]
    return items


def _installed(name: str) -> Path:
    """Return a program from the PATH, else the one that was built here."""
    found = shutil.which(name)
    return Path(found) if found else programs.find(name)
