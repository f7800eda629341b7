"""`varflow var cp`, `export` and `import`, conditions and revisions: each call is a process."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support import tars
from tests.support.runs import Caller, Ended
from tests.support.stores import WEIRD_KEYS
from varflow.variables.scopes import Address, Owners, Scope
from varflow_cli.stores import storing

WORKFLOW = ("--workflow", "w")
LARGE = bytes(range(256)) * 2000
OWNERS = Owners(storing.CLUSTER, "default", "", "")


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    (tmp_path / "store").mkdir()
    return Caller(tmp_path)


def var(caller: Caller, *arguments: str, stdin: bytes = b"") -> Ended:
    return caller.call("var", *arguments, stdin=stdin)


def code_of(ended: Ended) -> tuple[int, str]:
    """Return the exit code and the stable code in the last line."""
    return ended.exit_code, ended.log.rstrip().rpartition("[")[2].rstrip("]")


async def fill(caller: Caller, **values: bytes) -> None:
    await fill_all(caller, values)


async def fill_all(caller: Caller, values: dict[str, bytes]) -> None:
    async with storing.open_variables(caller.store) as variables:
        for key, data in values.items():
            await variables.set(Address(OWNERS, Scope.NAMESPACE, key), data)


async def read_all(caller: Caller, *, namespace: str = "default") -> dict[str, bytes]:
    owners = Owners(storing.CLUSTER, namespace, "", "")
    async with storing.open_variables(caller.store) as variables:
        found = variables.list(owners, Scope.NAMESPACE)
        return {info.key: await info.open(variables.store).bytes() async for info in found}


# Conditions


def test_creating_what_is_there_is_exit_code_5_and_changes_nothing(caller: Caller) -> None:
    var(caller, "set", "k", "--value", "1")

    again = var(caller, "set", "k", "--create", "--value", "2")

    assert code_of(again) == (5, "already_exists")
    assert var(caller, "get", "k").stdout == b"1"


def test_a_write_under_an_older_revision_is_exit_code_5(caller: Caller) -> None:
    first = var(caller, "set", "k", "--value", "1").log.split()[-1]
    second = var(caller, "set", "k", "--if-match", first, "--value", "2")

    late = var(caller, "set", "k", "--if-match", first, "--value", "3")

    assert second.exit_code == 0
    assert code_of(late) == (5, "precondition_failed")
    assert var(caller, "get", "k").stdout == b"2"


def test_an_older_revision_is_read_and_copied_back(caller: Caller) -> None:
    store = ("--store", f"{caller.store}?history=3")
    first = var(caller, "set", "k", *store, "--value", "1").log.split()[-1]
    var(caller, "set", "k", *store, "--value", "2")

    assert var(caller, "get", "k", *store, "--revision", first).stdout == b"1"
    var(caller, "cp", "k", "k", *store, "--revision", first)
    assert var(caller, "get", "k", *store).stdout == b"1"
    assert code_of(var(caller, "get", "k", *store, "--revision", "9-00000000")) == (3, "not_found")


# Listing


def test_the_long_listing_says_who_wrote(caller: Caller) -> None:
    var(caller, "set", "k", stdin=LARGE)

    table = var(caller, "ls", "--long").stdout.decode().splitlines()
    listed = json.loads(var(caller, "ls", "--long", "--json").stdout)

    assert table[0].split()[-2:] == ["CREATED", "WRITER"]
    assert table[1].split()[:3] == ["k", "500.0", "KiB"]
    assert (listed[0]["writer"], listed[0]["size"]) == ("varflow", len(LARGE))


async def test_a_long_list_has_one_heading_and_is_one_json_text(caller: Caller) -> None:
    await fill_all(caller, {f"key-{number:04}": b"1" for number in range(1100)})

    table = var(caller, "ls").stdout.decode().splitlines()
    listed = json.loads(var(caller, "ls", "--json", "--prefix", "key-10").stdout)

    assert len(table) == 1101
    assert [line for line in table if line.startswith("KEY")] == table[:1]
    assert [entry["key"] for entry in listed] == [f"key-{n}" for n in range(1000, 1100)]


def test_an_empty_scope_is_an_empty_list(caller: Caller) -> None:
    assert var(caller, "ls").stdout == b""
    assert var(caller, "ls", "--json").stdout == b"[]\n"


# Copying


@pytest.mark.parametrize(
    ("to", "reads"),
    [
        ([], []),
        (["--to-workflow", "w"], [*WORKFLOW]),
        (["--to-namespace", "other"], ["-n", "other"]),
        (["--to-namespace", "other", "--to-workflow", "w"], ["-n", "other", *WORKFLOW]),
        (["--to-instance", "i"], ["--instance", "i"]),
    ],
    ids=["same scope", "workflow", "namespace", "workflow elsewhere", "instance"],
)
def test_a_copy_has_the_bytes_and_the_type(caller: Caller, to: list[str], reads: list[str]) -> None:
    var(caller, "set", "k", "--content-type", "image/png", stdin=LARGE)

    copied = var(caller, "cp", "k", "copy", *to)

    assert copied.exit_code == 0
    assert var(caller, "get", "copy", *reads).stdout == LARGE
    assert json.loads(var(caller, "ls", "--json", "--prefix", "copy", *reads).stdout)[0][
        "contentType"
    ] == ("image/png")


def test_a_copy_replaces_its_target_unless_told_to_create_it(caller: Caller) -> None:
    var(caller, "set", "a", "--value", "a")
    var(caller, "set", "b", "--value", "b")

    refused = var(caller, "cp", "--create", "a", "b")
    kept = var(caller, "get", "b").stdout
    forced = var(caller, "cp", "--force", "a", "b")

    assert code_of(refused) == (5, "already_exists")
    assert kept == b"b"
    assert forced.exit_code == 0
    assert var(caller, "get", "b").stdout == b"a"


def test_copying_what_is_not_there_is_exit_code_3(caller: Caller) -> None:
    assert code_of(var(caller, "cp", "none", "b")) == (3, "not_found")


# Archives


async def test_an_archive_brings_back_values_types_and_expiries(caller: Caller) -> None:
    await fill(caller, small=b"1", empty=b"", large=LARGE)
    var(caller, "set", "token", "--value", "t", "--ttl", "3600", "--content-type", "text/plain")

    exported = var(caller, "export", "all.tar")
    imported = var(caller, "import", "all.tar", "-n", "other")

    assert (exported.exit_code, imported.exit_code) == (0, 0), exported.log + imported.log
    assert imported.log == "4 variables written\n"
    values = {"small": b"1", "empty": b"", "large": LARGE, "token": b"t"}
    assert await read_all(caller, namespace="other") == values
    before, after = (
        json.loads(var(caller, "ls", "--json", "--prefix", "token", *whose).stdout)[0]
        for whose in ([], ["-n", "other"])
    )
    assert after["contentType"] == "text/plain"
    assert after["expiresAt"][:16] == before["expiresAt"][:16]


async def test_a_person_finds_files_that_are_called_like_the_keys(caller: Caller) -> None:
    await fill_all(caller, {"settings.json": b"{}", "größe": b"1", "a:b": b"2"})

    var(caller, "export", "all.tar")

    with tarfile.open(caller.folder / "all.tar") as archive:
        names = archive.getnames()
        manifest = json.load(archive.extractfile("manifest-000001.json"))  # type: ignore[arg-type]
        archive.extractall(caller.folder / "out", filter="data")
    assert names == [
        "manifest-000001.json",
        *(f"variables/{name}" for name in ("a%3Ab", "größe", "settings.json")),
    ]
    assert (caller.folder / "out/variables/settings.json").read_bytes() == b"{}"
    assert [entry["key"] for entry in manifest["variables"]] == ["a:b", "größe", "settings.json"]


async def test_every_key_survives_the_archive(caller: Caller) -> None:
    values = {key: name.encode() for name, key in WEIRD_KEYS.items()}
    await fill_all(caller, values)

    archive = var(caller, "export", "-").stdout
    var(caller, "import", "-", "-n", "other", stdin=archive)

    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        folded = [name.casefold() for name in opened.getnames()]
    assert len(set(folded)) == len(folded)
    assert await read_all(caller, namespace="other") == values


async def test_importing_over_a_variable_writes_nothing_by_default(caller: Caller) -> None:
    await fill(caller, a=b"old", b=b"old")
    var(caller, "export", "all.tar")
    var(caller, "rm", "a")
    var(caller, "set", "b", "--value", "new")

    refused = var(caller, "import", "all.tar")

    assert code_of(refused) == (5, "already_exists")
    assert await read_all(caller) == {"b": b"new"}


@pytest.mark.parametrize(
    ("option", "b", "said"),
    [
        ("--replace", b"old", "2 variables written\n"),
        ("--skip-existing", b"new", "1 variables written, 1 skipped\n"),
    ],
    ids=["replace", "skip"],
)
async def test_importing_over_a_variable_does_as_told(
    caller: Caller, option: str, b: bytes, said: str
) -> None:
    await fill(caller, a=b"old", b=b"old")
    archive = var(caller, "export", "-").stdout
    var(caller, "rm", "a")
    var(caller, "set", "b", "--value", "new")

    done = var(caller, "import", option, "-", stdin=archive)

    assert (done.exit_code, done.log) == (0, said)
    assert await read_all(caller) == {"a": b"old", "b": b}


def entries(
    *keys: str, folder: str = "variables/", expires: str | None = None
) -> tuple[str, bytes]:
    known = {"contentType": "text/plain", "expiresAt": expires}
    listed = [{"file": folder + key, "key": key, **known} for key in keys]
    return "manifest-000001.json", json.dumps({"varflow": 1, "variables": listed}).encode()


LINK = tars.member("variables/a", type=tarfile.SYMTYPE, linkname="/etc/passwd")
DEVICE = tars.member("variables/a", type=tarfile.CHRTYPE)


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (b"no archive" * 100, "not a tar archive"),
        (b"", "cut off"),
        (tars.make_tar(entries("a"), ("variables/a", b"1"))[:1700], "cut off"),
        (tars.make_tar(), "no manifest"),
        (tars.make_tar(("variables/a", b"1"), entries("a")), "manifests come first"),
        (tars.make_tar(entries("a", "b"), ("variables/a", b"1")), "files are missing"),
        (tars.make_tar(entries("a"), ("variables/../a", b"1")), "leads out"),
        (tars.make_tar(entries("a"), ("/variables/a", b"1")), "absolute"),
        (tars.make_tar(entries("a"), LINK), "symbolic link"),
        (tars.make_tar(entries("a"), DEVICE), "character device"),
        (tars.make_tar(entries("..", folder="variables/x"), ("x", b"")), "no manifest"),
        (tars.make_tar(entries("a", folder="../"), ("x", b"")), "no manifest"),
        (tars.make_tar(("manifest-000001.json", b"[]")), "no manifest"),
        (tars.make_tar(entries("a"), ("variables/a", b""), ("variables/a", b"")), "in none"),
        (tars.make_tar(entries("b", "a", "a"), ("variables/b", b"")), "a second time"),
        (tars.make_tar(entries("a"), ("variables/a", b""), entries("a")), "a second time"),
        (tars.make_tar(entries("a", expires="9999-01-01")), "later than"),
    ],
    ids=[
        "no tar",
        "empty",
        "cut",
        "no manifest",
        "manifest last",
        "value missing",
        "leaving",
        "absolute",
        "link",
        "device",
        "bad key",
        "bad file",
        "bad manifest",
        "twice",
        "key twice",
        "key twice, in two manifests",
        "expires too late",
    ],
)
async def test_a_wrong_archive_is_refused_and_changes_nothing(
    caller: Caller, archive: bytes, said: str
) -> None:
    (caller.folder / "wrong.tar").write_bytes(archive)

    ended = var(caller, "import", "wrong.tar")

    assert code_of(ended) == (2, "invalid_archive")
    assert said in ended.log
    assert await read_all(caller) == {}


async def test_a_pipe_that_breaks_says_how_much_was_written(caller: Caller) -> None:
    archive = tars.make_tar(entries("a", "b"), ("variables/a", LARGE), ("variables/b", LARGE))

    ended = var(caller, "import", "-", stdin=archive[: len(LARGE) + 5000])

    assert code_of(ended) == (2, "invalid_archive")
    assert "1 variables had been written" in ended.log
    assert await read_all(caller) == {"a": LARGE}


async def test_an_archive_of_a_folder_as_a_whole_is_taken_too(caller: Caller) -> None:
    archive = tars.make_tar(("./", b""), entries("a"), ("./variables/", b""), ("variables/a", b"1"))

    assert var(caller, "import", "-", stdin=archive).log == "1 variables written\n"


async def test_a_compressed_archive_is_taken_too(caller: Caller) -> None:
    packed = tars.make_tar_gz(entries("a"), ("variables/a", b"1"))

    assert var(caller, "import", "-", stdin=packed).exit_code == 0
    assert await read_all(caller) == {"a": b"1"}


async def test_a_failed_export_leaves_the_older_archive(caller: Caller) -> None:
    await fill(caller, k=LARGE)
    (caller.folder / "all.tar").write_bytes(b"older")
    for body in (caller.folder / "store").rglob("bodies/*"):
        body.unlink()

    ended = var(caller, "export", "all.tar")

    assert code_of(ended) == (1, "corrupt_object")
    assert (caller.folder / "all.tar").read_bytes() == b"older"
    assert [path.name for path in caller.folder.glob(".*")] == []


async def test_an_export_to_a_link_leaves_the_link(caller: Caller) -> None:
    await fill(caller, k=b"1")
    (caller.folder / "link.tar").symlink_to("all.tar")

    assert var(caller, "export", "link.tar").exit_code == 0
    assert (caller.folder / "link.tar").is_symlink()
    assert tarfile.is_tarfile(caller.folder / "all.tar")


def test_an_export_goes_into_a_pipe_that_has_a_name(caller: Caller) -> None:
    var(caller, "set", "k", "--value", "1")
    os.mkfifo(caller.folder / "pipe")
    reader = subprocess.Popen(["cat", caller.folder / "pipe"], stdout=subprocess.PIPE)

    ended = var(caller, "export", "pipe")

    assert (caller.folder / "pipe").is_fifo()
    assert ended.exit_code == 0
    with tarfile.open(fileobj=io.BytesIO(reader.communicate()[0])) as archive:
        assert archive.getnames() == ["manifest-000001.json", "variables/k"]


def test_an_archive_of_an_empty_scope_can_be_imported(caller: Caller) -> None:
    var(caller, "export", "none.tar")

    ended = var(caller, "import", "none.tar")

    assert (ended.exit_code, ended.log) == (0, "0 variables written\n")


def test_an_export_to_a_full_device_names_it(caller: Caller) -> None:
    ended = var(caller, "export", "/dev/full")

    assert code_of(ended) == (1, "system")
    assert ended.log == "varflow: /dev/full: No space left on device [system]\n"


def test_an_export_into_a_missing_folder_names_the_file(caller: Caller) -> None:
    ended = var(caller, "export", "nowhere/all.tar")

    assert code_of(ended) == (1, "system")
    assert f"{caller.folder}/nowhere/all.tar: No such file" in ended.log


def test_a_large_value_goes_through_a_pipe_with_little_memory(caller: Caller) -> None:
    command = f"{sys.executable} -m varflow_cli var"
    megabytes = 256
    script = f"""
        set -eo pipefail
        head -c {megabytes}M /dev/zero | {command} set big
        {command} export - | python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
' {command} import - -n other
    """
    environ = caller._environ({})
    done = subprocess.run(
        ["bash", "-c", script], cwd=caller.folder, env=environ, capture_output=True, check=True
    )

    assert int(done.stdout) < 130
