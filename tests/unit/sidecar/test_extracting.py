"""An archive lays files and folders below its folder, and nothing else anywhere."""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.tars import END, make_tar, member, raw_member, resealed
from varflow.errors import InvalidArchive, TooLarge, VarflowError
from varflow_sidecar.files.extracting import MAX_DEPTH, Budget, Extractor

LARGE = Budget(max_bytes=10**9, max_entries=1000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_text("kept")
    return folder


@pytest.fixture(autouse=True)
def nothing_outside_is_touched(tmp_path: Path) -> Iterator[None]:
    yield
    if (tmp_path / "inside").is_dir():
        assert sorted(os.listdir(tmp_path)) == ["inside", "outside"]
        assert (tmp_path / "outside" / "kept").read_text() == "kept"


def extract(
    data: bytes,
    root: Path,
    *,
    budget: Budget = LARGE,
    permissions: int | None = None,
    step: int = 1 << 20,
) -> None:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    extractor = Extractor(descriptor, budget=budget, permissions=permissions)
    try:
        for start in range(0, len(data), step):
            extractor.feed(data[start : start + step])
        extractor.finish()
    finally:
        extractor.close()
        os.close(descriptor)


def tree(root: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


FORMATS = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}


@pytest.mark.parametrize("dialect", FORMATS.values(), ids=FORMATS.keys())
@pytest.mark.parametrize("step", [1, 7, 511, 512, 513, 100_000])
def test_files_and_folders_come_out_whatever_wrote_the_archive_and_however_it_is_cut(
    root: Path, dialect: int, step: int
) -> None:
    members = [
        ("a", b"1"),
        ("empty", b""),
        ("folder/", b""),
        ("folder/inner/b", b"x" * 1500),
        ("f" * 90 + "/" + "n" * 99, b"long"),
        ("a..b", b"dots"),
        ("..c", b"dots"),
        ("./d", b"dot"),
    ]

    extract(make_tar(*members, dialect=dialect), root, step=step)

    found = tree(root)
    for name, data in members:
        clean = name.removeprefix("./").rstrip("/")
        assert found[clean] == (None if name.endswith("/") else data)


@pytest.mark.parametrize("dialect", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_names_beyond_ustar_come_out(root: Path, dialect: int) -> None:
    long = "/".join(["ordner" * 20] * 3) + "/ü" + "n" * 200

    extract(make_tar((long, b"1"), ("naïve \U0001f600", b"2"), dialect=dialect), root)

    assert tree(root)[long] == b"1"
    assert tree(root)["naïve \U0001f600"] == b"2"


def test_names_that_are_no_utf8_come_out(root: Path) -> None:
    extract(raw_member(b"\xff\xfe", b"1") + END, root)

    assert os.listdir(os.fsencode(root)) == [b"\xff\xfe"]


def test_executable_bits_come_back_and_nothing_else_of_the_mode(root: Path) -> None:
    old = os.umask(0o077)
    try:
        extract(
            make_tar(
                member("run", mode=0o4710),
                member("read", mode=0o600),
                member("folder", type=tarfile.DIRTYPE, mode=0o1700),
            ),
            root,
        )
    finally:
        os.umask(old)

    assert stat.S_IMODE((root / "run").stat().st_mode) == 0o777
    assert stat.S_IMODE((root / "read").stat().st_mode) == 0o666
    assert stat.S_IMODE((root / "folder").stat().st_mode) == 0o777


def test_permissions_are_those_of_every_file_but_no_folder(root: Path) -> None:
    extract(make_tar(member("f/run", mode=0o755)), root, permissions=0o640)

    assert stat.S_IMODE((root / "f/run").stat().st_mode) == 0o640
    assert stat.S_IMODE((root / "f").stat().st_mode) == 0o777


def test_the_last_member_of_a_name_wins(root: Path) -> None:
    extract(make_tar(("a", b"1"), ("b", b""), ("a", b"2"), ("b/", b""), ("b/c", b"3")), root)

    assert tree(root) == {"a": b"2", "b": None, "b/c": b"3"}


def test_a_member_replaces_a_link_in_its_place_and_does_not_write_through_it(root: Path) -> None:
    (root / "a").symlink_to("../outside/kept")
    (root / "b").symlink_to("../outside")

    extract(make_tar(("a", b"new"), ("b/kept", b"new")), root)

    assert tree(root) == {"a": b"new", "b": None, "b/kept": b"new"}


def test_no_bytes_are_an_empty_folder(root: Path) -> None:
    extract(b"", root)

    assert tree(root) == {}


def test_an_archive_without_members_is_an_empty_folder(root: Path) -> None:
    extract(make_tar(), root)

    assert tree(root) == {}


def test_direktivs_archives_are_read_although_their_names_are_absolute(root: Path) -> None:
    data = raw_member(b"", type=b"5") + raw_member(b"/sub", type=b"5") + raw_member(b"/sub/f", b"1")

    extract(data + END, root)

    assert tree(root) == {"sub": None, "sub/f": b"1"}


def test_a_comment_of_git_archive_is_ignored(root: Path) -> None:
    comment = b"52 comment=0123456789012345678901234567890123456789\n"

    extract(
        raw_member(b"pax_global_header", comment, type=b"g") + raw_member(b"a", b"1") + END, root
    )

    assert tree(root) == {"a": b"1"}


def pax(record: bytes) -> bytes:
    return raw_member(b"x", b"%d %s\n" % (len(record) + 4, record), type=b"x")


ESCAPES = {
    "a parent": raw_member(b"../outside/new"),
    "a parent in the middle": raw_member(b"a/../../outside/new"),
    "only a parent": raw_member(b"..", type=b"5"),
    "an absolute name": raw_member(b"/outside/new"),
    "an absolute name after a file": raw_member(b"a") + raw_member(b"/outside/new"),
    "a parent in Direktiv's archive": raw_member(b"", type=b"5") + raw_member(b"/../outside/new"),
    "a pax path": pax(b"path=../outside/x") + raw_member(b"harmless"),
    "a GNU long name": raw_member(b"././@LongLink", b"../outside/new\0", type=b"L")
    + raw_member(b"a"),
    "a NUL in a pax path": pax(b"path=aaaaaaa\0../x") + raw_member(b"harmless"),
}


@pytest.mark.parametrize("data", ESCAPES.values(), ids=ESCAPES.keys())
def test_a_name_that_leaves_the_folder_is_refused(root: Path, data: bytes) -> None:
    with pytest.raises(InvalidArchive):
        extract(data + END, root)


LINKS = {
    "a symbolic link": member("l", type=tarfile.SYMTYPE, linkname="../outside"),
    "a hard link": member("l", type=tarfile.LNKTYPE, linkname="../outside/kept"),
    "a character device": member("d", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "a block device": member("d", type=tarfile.BLKTYPE, devmajor=8),
    "a fifo": member("p", type=tarfile.FIFOTYPE),
}


@pytest.mark.parametrize(("kind", "info"), LINKS.items(), ids=LINKS.keys())
def test_links_and_devices_are_refused_by_their_name(
    root: Path, kind: str, info: tarfile.TarInfo
) -> None:
    with pytest.raises(InvalidArchive, match=f"'{info.name}' is {kind}"):
        extract(make_tar(info), root)

    assert tree(root) == {}


def test_a_hard_link_to_a_symbolic_link_is_refused_at_the_first(root: Path) -> None:
    data = make_tar(
        member("a", type=tarfile.SYMTYPE, linkname="../outside/kept"),
        member("b", type=tarfile.LNKTYPE, linkname="a"),
        ("b", b"overwritten"),
    )

    with pytest.raises(InvalidArchive):
        extract(data, root)


DAMAGED = {
    "cut in a header": make_tar(("a", b"1"))[:700],
    "cut in the data": make_tar(("a", b"x" * 5000))[:2000],
    "cut between members": make_tar(("a", b"1"))[:1024],
    "no archive": b"This is no archive." * 100,
    "short": b"short",
    "a negative size": raw_member(b"a", b"", size=b"\xff" * 12) + END,
    "a size that is no number": raw_member(b"a", b"", size=b"12x45678901\0") + END,
    "a huge size": raw_member(b"a", b"", size=b"\x80" + b"\0" * 3 + b"\xff" * 8) + END,
    "a wrong checksum": raw_member(b"a", b"1").replace(b"0000644", b"0000666") + END,
    "an unknown type": raw_member(b"a", type=b"Z") + END,
    "a sparse file": raw_member(b"a", type=b"S") + END,
    "a sparse pax file": pax(b"GNU.sparse.major=1") + raw_member(b"a") + END,
    "a pax size that is no number": pax(b"size=-00000001") + raw_member(b"a") + END,
    "a pax size beyond the data": pax(b"size=9999999") + raw_member(b"a", b"1") + END,
    "a pax record without length": raw_member(b"x", b"path=a\n", type=b"x")
    + raw_member(b"a")
    + END,
    "a pax record beyond its header": raw_member(b"x", b"99 a=b\n", type=b"x")
    + raw_member(b"a")
    + END,
    "a pax record of no length": raw_member(b"x", b"0 a=b\n", type=b"x") + raw_member(b"a") + END,
    "an endless pax header": raw_member(b"x", b"", type=b"x", size=b"77777777777\0") + END,
    "a global path": raw_member(b"g", b"10 path=a\n", type=b"g") + raw_member(b"b") + END,
    "an extended header at the end": pax(b"path=harmless") + END,
    "a folder with data": raw_member(b"a", b"1", type=b"5") + END,
    "a file without a name": raw_member(b"./", b"1") + END,
    "something after the end": make_tar(("a", b"1"))[:1536] + b"x" * 512,
    "a file in a folder's place": make_tar(("a/b", b"1"), ("a", b"2")),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_archive_is_refused(root: Path, data: bytes) -> None:
    with pytest.raises((InvalidArchive, TooLarge)):
        extract(data, root, budget=Budget(max_bytes=10**12, max_entries=1000))


def test_too_many_bytes_are_refused_before_they_are_written(root: Path) -> None:
    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        extract(
            make_tar(("a", b"x" * 600), ("b", b"x" * 600)),
            root,
            budget=Budget(max_bytes=1000, max_entries=10),
        )

    assert set(tree(root)) == {"a"}


def test_too_many_entries_are_refused(root: Path) -> None:
    with pytest.raises(TooLarge, match="more than 10 entries"):
        extract(
            make_tar(*((f"f{n}", b"") for n in range(11))),
            root,
            budget=Budget(max_bytes=1000, max_entries=10),
        )


def test_extended_headers_count_as_entries(root: Path) -> None:
    with pytest.raises(TooLarge):
        extract(pax(b"comment=x") * 11, root, budget=Budget(max_bytes=1000, max_entries=10))


def test_too_deep_folders_are_refused(root: Path) -> None:
    with pytest.raises(InvalidArchive, match="deeper than"):
        extract(make_tar(("d/" * MAX_DEPTH + "f", b"")), root)


def test_old_archives_mark_folders_with_a_slash(root: Path) -> None:
    extract(raw_member(b"a/", type=b"\0") + raw_member(b"b", b"1", type=b"\0") + END, root)

    assert tree(root) == {"a": None, "b": b"1"}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    position=st.integers(0, 3071),
    value=st.integers(0, 255),
    is_sealed=st.booleans(),
)
def test_a_changed_byte_never_leads_outside(
    root: Path, position: int, value: int, is_sealed: bool
) -> None:
    data = bytearray(make_tar(("../outside/x".replace("..", "ab"), b"1"), ("c/d", b"2" * 600)))
    data[position] = value
    start = position - position % 512
    if is_sealed and data[start + 257 : start + 262] == b"ustar":
        data[start : start + 512] = resealed(data[start : start + 512])
    with contextlib.suppress(VarflowError):
        extract(bytes(data), root)
    for path in root.rglob("*"):
        assert not path.is_symlink()
