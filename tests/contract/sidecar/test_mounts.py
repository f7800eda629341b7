"""`files`: variables as files and folders, safely named, or a clear failure."""

from __future__ import annotations

import base64
import gzip
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support import sidecars
from tests.support.sidecars import Call, Pod, mount
from tests.support.tars import make_tar, make_tar_gz, member, raw_member
from varflow.contract import FileType, Outcome, OutcomeStatus

FAILED = OutcomeStatus.FAILED


async def see(pod: Pod, *files: Any) -> dict[str, bytes | None]:
    """Run an action with these files and return what the function found, folders as None."""
    found: dict[str, bytes | None] = {}

    async def look(call: Call) -> object:
        for path in sorted(call.folder.rglob("*")):
            name = str(path.relative_to(call.folder))
            if name.partition("/")[0] != "out":
                found[name] = path.read_bytes() if path.is_file() else None
        return {}

    outcome = await pod.run(look, files=files)
    assert outcome.status is OutcomeStatus.COMPLETE, outcome
    return found


async def fail(pod: Pod, *files: Any) -> Outcome:
    outcome = await pod.run(files=files)
    assert outcome.status is FAILED, outcome
    assert pod.function.calls == []
    assert await pod.folders_left() == []
    return outcome


async def test_a_plain_file_is_the_bytes_under_its_key(pod: Pod) -> None:
    await pod.write("instance", "a", b"1")

    assert await see(pod, mount("a")) == {"a": b"1"}


async def test_scope_and_as_say_what_and_where(pod: Pod) -> None:
    await pod.write("workflow", "a", b"1")
    await pod.write("namespace", "a", b"2")

    files = (mount("a", scope="workflow", as_name="x/y/z"), mount("a", scope="namespace"))

    assert await see(pod, *files) == {"x": None, "x/y": None, "x/y/z": b"1", "a": b"2"}


async def test_a_missing_variable_is_an_empty_file_or_folder(pod: Pod) -> None:
    files = [mount(f"missing-{type}", type=type) for type in FileType]

    assert await see(pod, *files) == {
        "missing-plain": b"",
        "missing-base64": b"",
        "missing-tar": None,
        "missing-tar.gz": None,
    }


async def test_a_large_variable_is_streamed(pod: Pod) -> None:
    data = os.urandom(5_000_000)
    await pod.write("instance", "a", data)

    assert await see(pod, mount("a")) == {"a": data}


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100, 3_000_001])
async def test_base64_is_decoded_whatever_its_line_breaks(pod: Pod, size: int) -> None:
    data = os.urandom(size)
    await pod.write("instance", "a", base64.encodebytes(data))

    assert await see(pod, mount("a", type=FileType.BASE64)) == {"a": data}


@pytest.mark.parametrize("type", [FileType.TAR, FileType.TAR_GZ])
@pytest.mark.parametrize("make", [make_tar, make_tar_gz], ids=["tar", "tar.gz"])
async def test_an_archive_becomes_a_folder_compressed_or_not(
    pod: Pod, type: FileType, make: Any
) -> None:
    await pod.write("instance", "a", make(("f/b", b"1"), ("c", b"2" * 100_000)))

    found = await see(pod, mount("a", type=type, as_name="x"))

    assert found == {"x": None, "x/f": None, "x/f/b": b"1", "x/c": b"2" * 100_000}


@pytest.mark.parametrize("type", [FileType.TAR, FileType.TAR_GZ])
async def test_a_folder_from_out_mounts_as_either(pod: Pod, type: FileType) -> None:
    async def write(call: Call) -> object:
        top = call.out("workflow", "tree")
        (top / "empty").mkdir(parents=True)
        (top / "ü").write_text("1")
        (top / "run").write_text("2")
        (top / "run").chmod(0o755)
        return {}

    await pod.run(write)
    executables = {}

    async def look(call: Call) -> object:
        for path in (call.folder / "tree").iterdir():
            executables[path.name] = bool(path.stat().st_mode & stat.S_IXOTH)
        return {}

    await pod.run(look, files=(mount("tree", scope="workflow", type=type),))

    assert executables == {"empty": True, "ü": False, "run": True}


async def test_several_gzip_members_are_one_archive(pod: Pod) -> None:
    data = make_tar(("a", b"1"))
    await pod.write("instance", "t", gzip.compress(data[:700]) + gzip.compress(data[700:]))

    assert await see(pod, mount("t", type=FileType.TAR)) == {"t": None, "t/a": b"1"}


async def test_files_are_readable_and_writable_by_anyone(pod: Pod) -> None:
    await pod.write("instance", "a", make_tar(member("f/x", mode=0o700)))
    modes = {}

    async def look(call: Call) -> object:
        for path in call.folder.rglob("*"):
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)
        return {}

    old = os.umask(0o077)
    try:
        await pod.run(look, files=(mount("p", as_name="d/p"), mount("a", type=FileType.TAR)))
    finally:
        os.umask(old)

    assert modes["p"] == 0o666
    assert modes["x"] == 0o777
    assert {modes[name] for name in ("d", "a", "f")} == {0o777}


async def test_permissions_are_the_files_mode(pod: Pod) -> None:
    modes = {}
    await pod.write("instance", "a", make_tar(("x", b""), ("y", b"")))

    async def look(call: Call) -> object:
        for path in call.folder.rglob("*"):
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)
        return {}

    await pod.run(
        look,
        files=(
            mount("p", permissions=0o4755),
            mount("a", type=FileType.TAR, permissions=0o600),
        ),
    )

    assert (modes["p"], modes["x"], modes["y"], modes["a"]) == (0o755, 0o600, 0o600, 0o777)


BAD_NAMES = [
    "../../x",
    "..",
    "a/../../x",
    "/etc/passwd",
    "out",
    "out/workflow/x",
    "a//b",
    "./a",
    "a/",
    ".",
    "a\0b",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
async def test_a_name_that_leaves_the_folder_is_refused(
    pod: Pod, tmp_path: Path, name: str
) -> None:
    outcome = await fail(pod, mount("k", as_name=name))

    assert outcome.code == "invalid_input"
    assert "instance/k" in outcome.message
    assert sidecars.names(tmp_path) == [pod.shared.name]


@pytest.mark.parametrize("name", ["a..b", "..a", "a/b/c", "outer", "ü", "a b", "..."])
async def test_any_other_name_is_fine(pod: Pod, name: str) -> None:
    await pod.write("instance", "k", b"1")

    assert (await see(pod, mount("k", as_name=name)))[name] == b"1"


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")]
)
async def test_names_that_get_in_each_others_way_are_refused(
    pod: Pod, first: str, second: str
) -> None:
    outcome = await fail(pod, mount("k", as_name=first), mount("l", as_name=second))

    assert outcome.code == "invalid_input"
    assert "instance/k" in outcome.message
    assert "instance/l" in outcome.message


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("scope", "thread", "invalid_scope"), ("key", "a/b", "invalid_key")],
)
async def test_an_unknown_scope_or_bad_key_is_refused(
    pod: Pod, field: str, value: str, code: str
) -> None:
    assert (await fail(pod, mount(**{"key": "k", "as_name": "x", field: value}))).code == code


BAD_CONTENT = {
    "no base64": (FileType.BASE64, b"this is no base64!"),
    "base64 that is cut off": (FileType.BASE64, b"aGVsbG8"),
    "base64 with more behind it": (FileType.BASE64, b"aGVsbG8=aGVsbG8="),
    "no archive": (FileType.TAR, b"no archive" * 100),
    "an archive that is cut off": (FileType.TAR, make_tar(("a", b"1" * 5000))[:3000]),
    "a gzip that is cut off": (FileType.TAR_GZ, make_tar_gz(("a", os.urandom(5000)))[:3000]),
    "a gzip without its last byte": (FileType.TAR_GZ, make_tar_gz(("a", b"1"))[:-1]),
    "a gzip with a wrong checksum": (
        FileType.TAR_GZ,
        make_tar_gz(("a", b"1"))[:-8] + b"\0\0\0\0" + make_tar_gz(("a", b"1"))[-4:],
    ),
    "a gzip with rubbish behind it": (FileType.TAR_GZ, make_tar_gz(("a", b"1")) + b"rubbish"),
    "a gzip of no archive": (FileType.TAR_GZ, gzip.compress(b"no archive" * 100)),
    "a parent": (FileType.TAR, raw_member(b"../x", b"1")),
    "an absolute name": (FileType.TAR, raw_member(b"/x", b"1")),
    "a link": (FileType.TAR, make_tar(member("l", type=b"2", linkname="/etc/passwd"))),
    "a device": (FileType.TAR, make_tar(member("d", type=b"3"))),
    "a name that is too long": (FileType.TAR, make_tar(("n" * 300, b"1"))),
}


@pytest.mark.parametrize(("type", "data"), BAD_CONTENT.values(), ids=BAD_CONTENT.keys())
async def test_bytes_that_are_not_what_they_should_be_fail_the_action_naming_the_key(
    pod: Pod, type: FileType, data: bytes
) -> None:
    await pod.write("workflow", "k", data)

    outcome = await fail(pod, mount("k", scope="workflow", type=type))

    assert outcome.code in {"invalid_archive", "invalid_input"}
    assert "workflow/k" in outcome.message
    assert await pod.read("workflow", "k") == data


async def test_a_tar_bomb_is_stopped_at_the_budget(tmp_path: Path) -> None:
    async with sidecars.running(
        tmp_path / "s", max_archive_bytes=1_000_000, max_archive_entries=100
    ) as pod:
        await pod.write("instance", "bytes", make_tar_gz(("a", bytes(50_000_000))))
        await pod.write("instance", "files", make_tar_gz(*((f"{n}", b"") for n in range(101))))
        for key in ("bytes", "files"):
            outcome = await fail(pod, mount(key, type=FileType.TAR_GZ))

            assert outcome.code == "too_large"
            assert f"instance/{key}" in outcome.message


async def test_many_files_are_mounted_at_once(pod: Pod) -> None:
    for number in range(64):
        await pod.write("instance", f"k{number}", b"%d" % number)

    found = await see(pod, *(mount(f"k{number}") for number in range(64)))

    assert found == {f"k{number}": b"%d" % number for number in range(64)}
