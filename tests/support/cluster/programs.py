"""The programs of a test cluster: which module each is built from, and where it is found.

`KUBEBUILDER_ASSETS` takes the place of what is built for the control plane, as in other
projects' tests; there the controller-manager may be missing.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import places
from tests.support.cluster.places import ClusterError

ASSETS = "KUBEBUILDER_ASSETS"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Build:
    """Programs that one call of `go build` makes."""

    module: str
    """Folder below `modules`."""

    packages: dict[str, str]
    """The package of each program."""

    minutes: float
    """How long it took the first time, with two cores."""

    needs_c: bool = False
    tags: str = ""

    @property
    def source(self) -> Path:
        """Folder of the pinned module."""
        return places.MODULES / self.module

    @property
    def folder(self) -> Path:
        """Where the programs are once they are built; another pin is another folder."""
        return places.cache() / "programs" / f"{next(iter(self.packages))}-{self._fingerprint()}"

    @property
    def linker_flags(self) -> str:
        """Without symbols; Kubernetes also wants to be told its version."""
        found = re.search(r"k8s\.io/kubernetes v((\d+)\.(\d+)\S*)", self._pins())
        if self.module != "kubernetes" or not found:
            return "-s -w"
        version, major, minor = found.groups()
        given = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
        stamps = (f"-X k8s.io/component-base/version.{key}={is_}" for key, is_ in given.items())
        return " ".join(("-s -w", *stamps))

    def is_done(self) -> bool:
        """Tell whether it was built."""
        return all((self.folder / name).exists() for name in self.packages)

    def _pins(self) -> str:
        return (self.source / "go.mod").read_text()

    def _fingerprint(self) -> str:
        sources = sorted(path for path in self.source.iterdir() if path.is_file())
        parts = [path.read_bytes() for path in sources]
        flags = (self.packages, self.needs_c, self.tags, self.linker_flags, platform.machine())
        return hashlib.sha256(b"\0".join([*parts, repr(flags).encode()])).hexdigest()[:16]


_K8S = "k8s.io/kubernetes/cmd"
_CONTAINERD = "github.com/containerd/containerd/v2/cmd"

ETCD = Build(module="etcd", packages={"etcd": "go.etcd.io/etcd/server/v3"}, minutes=1)
CONTROL_PLANE = Build(
    module="kubernetes",
    packages={
        name: f"{_K8S}/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kubectl")
    },
    minutes=5,
)
NODE = Build(
    module="kubernetes",
    packages={name: f"{_K8S}/{name}" for name in ("kube-scheduler", "kube-proxy")},
    minutes=0.5,
)
KUBELET = Build(
    module="kubernetes", packages={"kubelet": f"{_K8S}/kubelet"}, minutes=3, needs_c=True
)
CONTAINERD = Build(
    module="containerd",
    packages={
        name: f"{_CONTAINERD}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")
    },
    minutes=1.5,
)
RUNC = Build(
    module="runc",
    packages={"runc": "github.com/opencontainers/runc"},
    minutes=0.5,
    needs_c=True,
    tags="seccomp",  # without it every pod that asks for RuntimeDefault is refused
)
COREDNS = Build(module="coredns", packages={"coredns": "github.com/coredns/coredns"}, minutes=3)
PAUSE = Build(module="pause", packages={"pause": "."}, minutes=0.1)
HELM = Build(module="helm", packages={"helm": "helm.sh/helm/v3/cmd/helm"}, minutes=1)
VERSITYGW = Build(
    module="versitygw",
    packages={"versitygw": "github.com/versity/versitygw/cmd/versitygw"},
    minutes=1,
)
MINIO = Build(module="minio", packages={"minio": "github.com/minio/minio"}, minutes=3)

GROUPS: dict[str, tuple[Build, ...]] = {
    "control": (ETCD, CONTROL_PLANE),
    "node": (ETCD, CONTROL_PLANE, NODE, KUBELET, CONTAINERD, RUNC, COREDNS, PAUSE),
    "helm": (HELM,),
    "s3": (VERSITYGW,),
    "minio": (MINIO,),
}
"""What is asked for together."""


def missing(group: str) -> list[Build]:
    """Return what is still to be built before the group can be used."""
    if group == "control" and _assets():
        _check_assets()
        return []
    return [build for build in GROUPS[group] if not build.is_done()]


def find(name: str) -> Path:
    """Return a program that was built here."""
    builds = {build: group for group, builds in GROUPS.items() for build in builds}
    build = next(build for build in builds if name in build.packages)
    if not build.is_done():
        raise ClusterError(
            f"{name} is not built yet; build it with: "
            f"python -m tests.support.cluster build {builds[build]}"
        )
    return build.folder / name


def find_for_control_plane(name: str) -> Path:
    """Return a program from KUBEBUILDER_ASSETS if that is set, else one that was built here."""
    assets = _assets()
    return assets / name if assets else find(name)


def has_controllers() -> bool:
    """Tell whether there is a controller-manager: only KUBEBUILDER_ASSETS may come without one."""
    return not _assets() or find_for_control_plane("kube-controller-manager").exists()


def _assets() -> Path | None:
    given = os.environ.get(ASSETS)
    return Path(given) if given else None


def _check_assets() -> None:
    wanted = ("etcd", "kube-apiserver", "kubectl")
    absent = [name for name in wanted if not find_for_control_plane(name).is_file()]
    if absent:
        raise ClusterError(
            f"{ASSETS}={_assets()} has no {', '.join(absent)}; "
            "unset it to have them built, or fill it with `setup-envtest use -p path`"
        )
