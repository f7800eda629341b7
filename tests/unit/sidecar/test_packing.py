"""Folders are packed to equal bytes for equal content."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sidecar.test_extracting import extract, tree
from varflow.errors import InvalidInput
from varflow_sidecar.files import decoding, packing


def pack(temp_dir: Path, key: str = "tree") -> bytes:
    found = packing.entries(temp_dir, warn=lambda _text: None)
    try:
        for entry in found:
            if entry.key == key:
                return b"".join(packing.chunks(entry, warn=lambda _text: None))
    finally:
        found.close()
    raise AssertionError(key)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "out" / "workflow" / "tree"
    folder.mkdir(parents=True)
    return folder


def test_times_owners_and_the_order_of_creation_do_not_matter(tmp_path: Path) -> None:
    packed = []
    for number, names in enumerate([["a", "b", "c"], ["c", "b", "a"]]):
        folder = tmp_path / str(number) / "out" / "workflow" / "tree"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(name)
            os.utime(folder / name, (number, number))
        packed.append(pack(tmp_path / str(number)))

    assert packed[0] == packed[1]


@pytest.mark.parametrize("size", [2**20 - 512, 2**20, 2**20 + 1, 5 * 2**20 + 7])
def test_files_around_the_size_of_a_block_are_whole(tmp_path: Path, top: Path, size: int) -> None:
    data = os.urandom(size)
    (top / "a").write_bytes(data)
    (top / "b").write_bytes(b"end")

    with tarfile.open(fileobj=io.BytesIO(pack(tmp_path))) as archive:
        assert archive.extractfile("a").read() == data  # type: ignore[union-attr]
        assert archive.extractfile("b").read() == b"end"  # type: ignore[union-attr]


def test_a_file_that_shrinks_while_it_is_packed_is_an_error(tmp_path: Path, top: Path) -> None:
    (top / "a").write_bytes(os.urandom(3 * 2**20))
    found = packing.entries(tmp_path, warn=lambda _text: None)
    chunks = packing.chunks(next(found), warn=lambda _text: None)
    next(chunks)
    (top / "a").write_bytes(b"")

    with pytest.raises(InvalidInput, match="out/workflow/tree/a shrank"):
        list(chunks)
    found.close()


def test_no_descriptor_is_left_open(tmp_path: Path, top: Path) -> None:
    for number in range(50):
        (top / str(number)).mkdir()
        (top / str(number) / "f").write_text("1")
    before = len(os.listdir("/proc/self/fd"))

    pack(tmp_path)
    stopped = packing.entries(tmp_path, warn=lambda _text: None)
    next(stopped)
    stopped.close()

    assert len(os.listdir("/proc/self/fd")) == before


NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=60
).filter(lambda name: name not in {".", ".."})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(NAMES, st.binary(max_size=3000), max_size=8),
    folders=st.sets(NAMES, max_size=4),
)
def test_what_was_packed_is_extracted_again(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], folders: set[str]
) -> None:
    base = tmp_path_factory.mktemp("base")
    folder = base / "out" / "workflow" / "tree"
    for name in folders - files.keys():
        (folder / name / "inner").mkdir(parents=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    target = base / "target"
    target.mkdir()
    gunzip = decoding.Gunzip()
    plain = b"".join([*gunzip.decode(pack(base)), *gunzip.finish()])

    extract(plain, target)

    assert tree(target) == tree(folder)
