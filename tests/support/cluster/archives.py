"""Image archives (the format of `docker save`) made from files, without a builder."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its root file system, and what it starts."""

    name: str
    layers: tuple[Path, ...]
    """Tar files, the lowest first."""

    entrypoint: tuple[str, ...]
    user: str = ""


def layer(path: Path, files: Mapping[str, Path]) -> Path:
    """Write a layer of programs, by their path in the image, the same for the same content."""
    with tarfile.open(path, "w") as tar:
        for name, source in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = source.stat().st_size, 0o755
            with source.open("rb") as content:
                tar.addfile(member, content)
    return path


def write(path: Path, image: Image) -> Path:
    """Write an archive that holds one image."""
    digests = [_digest(one) for one in image.layers]
    config = json.dumps(_config(image, digests)).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    names = [f"{digest}.tar" for digest in digests]
    manifest = [{"Config": config_name, "RepoTags": [image.name], "Layers": names}]
    with tarfile.open(path, "w") as tar:
        for name, source in dict(zip(names, image.layers, strict=True)).items():
            tar.add(source, name)
        _add(tar, config_name, config)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    return path


def _config(image: Image, digests: list[str]) -> dict[str, object]:
    return {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created_by": "varflow tests"} for _ in digests],  # buildah counts them
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "User": image.user,
        },
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
