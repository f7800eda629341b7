"""The file store among processes that die, and on file systems that are full or read-only.

What needs other rights or a mount runs in a process of its own (support/file_store_program.py).
Mounts are made in a namespace that ends with it, so that none is ever left behind: as root, or as
root of a user namespace where the kernel allows those.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import private_mounts, stores
from tests.support.file_store_program import NOBODY
from varflow.variables.stores.file import FileStore

REPOSITORY = Path(__file__).parents[2]


def command(scenario: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "tests.support.file_store_program", scenario, str(folder)]


def run(scenario: str, folder: Path, *, within: tuple[str, ...] = ()) -> None:
    done = subprocess.run(
        [*within, *command(scenario, folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of a user without rights, whose parents everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)


async def test_counting_in_four_processes_loses_nothing(tmp_path: Path) -> None:
    counting = [
        await asyncio.create_subprocess_exec(*command("count", tmp_path), cwd=REPOSITORY)
        for _ in range(4)
    ]
    assert await asyncio.gather(*(process.wait() for process in counting)) == [0] * 4
    store = FileStore(tmp_path)
    await store.open()
    assert await stores.data_of(store, "n/counter") == b"400"
    await store.close()


def test_a_writer_killed_at_any_moment_leaves_whole_records_and_no_garbage(tmp_path: Path) -> None:
    run("kill_writers", tmp_path)


def test_a_full_disk_keeps_what_was_there_and_leaves_no_garbage(tmp_path: Path) -> None:
    within = private_mounts.find_wrapper()
    if within:
        run("fill_mounted", tmp_path, within=within)
    else:
        run("fill_limited", tmp_path)


def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    run("fill_limited", tmp_path)


def test_a_mount_that_becomes_read_only_keeps_what_was_there(tmp_path: Path) -> None:
    within = private_mounts.find_wrapper()
    if not within:
        pytest.skip("no right to mount; the folder without rights below shows the same errors")
    run("use_read_only_mount", tmp_path, within=within)


def test_a_folder_that_may_not_be_written_keeps_what_was_there(open_folder: Path) -> None:
    run("use_read_only_folder", open_folder)
