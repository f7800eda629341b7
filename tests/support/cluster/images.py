"""The images that end-to-end tests run, as archives that can be loaded into a cluster.

Varflow's own come from `make images`, as its users' do. Functions hold Python and one program, and
nothing of Varflow. S3 servers are built from their modules, the chart's under the name the chart
has for it. So the chart runs with the values that it comes with, where nothing can be pulled.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

import varflow
from tests.support.cluster import archives, places, programs, system_packages
from tests.support.cluster.archives import Image
from tests.support.cluster.commands import run, succeeds
from tests.support.cluster.places import ClusterError

FUNCTIONS = {
    "localhost:5000/iv-setter:v1": "examples/iv/setter.py",
    "localhost:5000/iv-getter:v1": "examples/iv/getter.py",
    "localhost:5000/echo:v1": "tests/e2e/functions/echo.py",
    "localhost:5000/counting:v1": "tests/e2e/functions/counting.py",
    "localhost:5000/contract:v1": "tests/e2e/functions/contract.py",
}
"""Images of functions and their programs; each needs Python's standard library only."""

MINIO = "localhost:5000/minio:v1"

PYTHON_BASE = "localhost/varflow-tests-python:bookworm"

_BUILDAH = ("buildah", "--root={root}/layers", "--runroot={root}/running")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that builds images."""

    command: tuple[str, ...]
    build_flags: tuple[str, ...] = ()
    python: str = ""
    """The base image; empty: the one that the Dockerfiles name."""

    def save(self, image: str, archive: Path) -> None:
        """Write an image that was built into an archive."""
        archive.unlink(missing_ok=True)
        words = {
            "docker": ("save", "--output", str(archive), image),
            "podman": ("save", "--format=docker-archive", "--output", str(archive), image),
            "buildah": ("push", "--quiet", image, f"docker-archive:{archive}:{image}"),
        }
        run(*self.command, *words[self.command[0]])


def folder() -> Path:
    """Return where this checkout's archives are."""
    checkout = hashlib.sha256(str(places.ROOT).encode()).hexdigest()[:8]
    return places.cache() / "images" / checkout


def prepare() -> None:
    """Build everything that a cluster has to be given."""
    shutil.rmtree(folder(), ignore_errors=True)
    folder().mkdir(parents=True)
    tool = _find_tool()
    _timed("the chart's S3 server", lambda: _write_server("versitygw", _charts_s3_server()))
    _timed("MinIO", lambda: _write_server("minio", MINIO))
    _timed("Varflow", lambda: _build_varflow(tool))
    for name, program in FUNCTIONS.items():
        _timed(name, functools.partial(_build_function, tool, name, program))


def find_archives() -> list[Path]:
    """Return what `prepare` has made."""
    found = sorted(folder().glob("*.tar"))
    if not found:
        raise ClusterError(
            "no images were built; build them with: python -m tests.support.cluster prepare"
        )
    return found


def _find_tool() -> Tool:
    """Return the first builder that works; on a node of ours always the one without a server."""
    if os.environ.get("KUBECONFIG"):
        return _find_installed()
    system_packages.require(*system_packages.FOR_IMAGES)
    root = places.cache() / "buildah"
    command = tuple(word.format(root=root) for word in _BUILDAH)
    # What this machine says of registries and certificates holds within, too.
    mounts = [path for path in ("/etc/pip.conf", "/etc/ssl/certs") if Path(path).exists()]
    volumes = (f"--volume={path}:{path}:ro" for path in mounts)
    flags = ("--isolation=chroot", "--network=host", "--layers", *volumes)
    return Tool(command, flags, python=_find_python(command))


def _find_installed() -> Tool:
    for name in ("docker", "podman", "buildah"):
        if succeeds(name, "info"):
            return Tool((name,))
    raise ClusterError("images are built by docker, podman or buildah; none of them works here")


def _find_python(buildah: tuple[str, ...]) -> str:
    """Return the Dockerfiles' base if it can be pulled, else Debian's Python."""
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", _dockerfile("sidecar").read_text(), re.MULTILINE)
    assert found, "Dockerfile.sidecar names no PYTHON_IMAGE"
    official = f"docker.io/library/{found[1]}"
    if succeeds(*buildah, "pull", "--quiet", official):
        return official
    if not succeeds(*buildah, "inspect", "--type=image", PYTHON_BASE):
        _timed("a base with Debian's Python", lambda: _make_python_base(buildah))
    return PYTHON_BASE


def _make_python_base(buildah: tuple[str, ...]) -> None:
    rootfs, archive = folder() / "rootfs.tar", folder() / "base.tar"
    what = "--include=python3,python3-venv,ca-certificates"
    run("mmdebstrap", "--quiet", "--variant=minbase", what, "bookworm", str(rootfs))
    archives.write(archive, Image(PYTHON_BASE, layers=(rootfs,), entrypoint=("python3",)))
    run(*buildah, "pull", "--quiet", f"docker-archive:{archive}")
    rootfs.unlink()
    archive.unlink()


def _build_varflow(tool: Tool) -> None:
    settings = {
        "IMAGE_TOOL": " ".join(tool.command),
        "IMAGE_ARGS": " ".join(tool.build_flags),
        "PYTHON_IMAGE": tool.python,
    }
    given = [f"{name}={value}" for name, value in settings.items() if value]
    run("make", "--directory", str(places.ROOT), "images", *given)
    for part in ("operator", "sidecar"):
        tool.save(f"varflow-{part}:{varflow.__version__}", folder() / f"varflow-{part}.tar")


def _build_function(tool: Tool, name: str, program: str) -> None:
    source = places.ROOT / program
    base = {"PYTHON_IMAGE": tool.python} if tool.python else {}
    arguments = {"PROGRAM": source.name, **base}
    given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
    dockerfile = f"--file={places.ROOT / 'tests/e2e/functions/Dockerfile'}"
    words = (*tool.build_flags, *given, dockerfile, f"--tag={name}", str(source.parent))
    run(*tool.command, "build", *words)
    tool.save(name, folder() / f"{source.stem}.tar")


def _charts_s3_server() -> str:
    """Return the name that the chart has for its S3 server's image."""
    values = yaml.safe_load((places.ROOT / "charts/varflow/values.yaml").read_text())
    named = values["store"]["embedded"]["image"]
    pins = (programs.VERSITYGW.source / "go.mod").read_text()
    if f"github.com/versity/versitygw {named['tag']} " not in pins:
        raise ClusterError(f"the chart's versitygw is {named['tag']}; modules/ pins another one")
    return f"{named['registry']}/{named['repository']}:{named['tag']}"


def _write_server(program: str, name: str) -> None:
    """Write an image of a program that was built, and nothing else."""
    path = f"usr/local/bin/{program}"
    image = Image(
        name,
        layers=(archives.layer(folder() / "layer", {path: programs.find(program)}),),
        entrypoint=(f"/{path}",),
        user="65532:65532",
    )
    archives.write(folder() / f"{program}.tar", image)
    (folder() / "layer").unlink()


def _timed(what: str, make: Callable[[], None]) -> None:
    started = time.monotonic()
    make()
    places.say(f"image: {what}: {time.monotonic() - started:.0f} s")


def _dockerfile(part: str) -> Path:
    return places.ROOT / f"Dockerfile.{part}"
