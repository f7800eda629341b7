"""A tree is removed whatever its function has made of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from varflow_sidecar.files import removing


def test_everything_goes_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("1")
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").write_text("1")
    (top / "a" / "link").symlink_to(outside)
    (top / "dangling").symlink_to("nowhere")
    os.mkfifo(top / "a" / "fifo")

    removing.remove(top)

    assert not top.exists()
    assert (outside / "kept").exists()


def test_folders_without_rights_go(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").write_text("1")
    (top / "a" / "b").chmod(0)
    (top / "a").chmod(0)
    top.chmod(0)

    removing.remove(top)

    assert not top.exists()


def test_depth_does_not_matter(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)

    removing.remove(top)

    assert not top.exists()


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        removing.remove(tmp_path / "missing")
