"""Hostile and careless input, through the real program: a clear error each, and nothing lost.

What single parts refuse is tested beside them: names and archives in contract/sidecar/test_mounts
and unit/sidecar/test_extracting, `out/` in contract/sidecar/test_outputs, keys, scopes, ids and
limits over HTTP in contract/sidecar/test_variables_endpoint, functions that break the contract in
contract/sidecar/test_function_calls and test_run, files in unit/language/test_broken_files, the
store's faults in test_file_store_faults. Here is what a user of the command line sees of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.support import console, private_mounts, runs
from tests.support.runs import Caller, Ended
from tests.support.tars import make_tar, make_tar_gz, member
from varflow.variables import scopes
from varflow.variables.scopes import Owners, Scope
from varflow.variables.stores import opening
from varflow.variables.variables import Variables

ARCHIVES = {
    "parent": (make_tar(("../evil", b"1")), "'../evil' leads out of the folder"),
    "absolute": (make_tar(("/tmp/evil", b"1")), "'/tmp/evil' is an absolute name"),
    "link": (make_tar(member("l", type=tarfile.SYMTYPE, linkname="/etc")), "'l' is a symbolic"),
    "device": (make_tar(member("d", type=tarfile.CHRTYPE)), "'d' is a character device"),
    "bomb": (make_tar_gz(("zeros", bytes(1 << 20))), "unpacks to more than 1000 bytes"),
    "text": (b"no archive" * 100, "not a tar archive"),
}


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


def address(workflow: str, key: str) -> scopes.Address:
    owners = Owners("local", "default", workflow, "")
    return scopes.address(owners, Scope.WORKFLOW, key)


def write_variables(caller: Caller, **values: bytes) -> None:
    """Set variables of the workflow `flow`."""

    async def write() -> None:
        variables = Variables(opening.open_store(caller.store))
        await variables.open()
        for key, data in values.items():
            await variables.set(address("flow", key), data)
        await variables.close()

    asyncio.run(write())


def read_variables(caller: Caller) -> dict[str, bytes]:
    """Return the variables of the workflow `flow`."""

    async def read() -> dict[str, bytes]:
        variables = Variables(opening.open_store(caller.store))
        await variables.open()
        owners = address("flow", "any").owners
        keys = [info.key async for info in variables.list(owners, Scope.WORKFLOW)]
        found = [await variables.get(address("flow", key)) for key in keys]
        values = {it.address.key: await it.bytes() for it in found if it is not None}
        await variables.close()
        return values

    return asyncio.run(read())


def run_shell(caller: Caller, *commands: str, max_bytes: int = 1 << 20) -> Ended:
    """Run a function that runs these commands in its temp dir."""
    limit = str(max_bytes)
    flow = runs.write_action(caller.folder)
    function = f"f={shlex.join([sys.executable, '-m', 'tests.support.shell_function'])}"
    given = json.dumps({"commands": commands})
    return caller.run(
        flow, "--input", given, "--function", function, VARFLOW_MAX_VARIABLE_BYTES=limit
    )


# Files


def test_all_that_is_wrong_in_a_file_is_told_by_line_and_nothing_starts(caller: Caller) -> None:
    flow = caller.folder / "flow.yaml"
    flow.write_text(
        "direktiv_api: workflow/v1\n"
        "states:\n"
        "- id: a\n"
        "  type: noop\n"
        "  transfrom: jq(.x)\n"
        "  transition: nowhere\n"
        "- id: a\n"
        "  type: noop\n"
    )

    ended = caller.run(flow)

    assert ended.exit_code == 2
    assert ended.log.splitlines() == [
        f"{flow}:5: states[0].transfrom: unknown field (did you mean 'transform'?)",
        f"{flow}:6: states[0].transition: there is no state 'nowhere'",
        f"{flow}:7: states[1].id: the id 'a' is already that of states[0].id",
    ]
    assert ended.answer["error"]["code"] == "invalid_workflow"
    assert not (caller.folder / "store").exists()


# Mounts


def write_mounting(folder: Path, mounts: dict[str, dict[str, Any]]) -> Path:
    """Write a workflow that mounts one after the other and collects the errors."""
    states: list[dict[str, Any]] = []
    names = list(mounts)
    for name, following in zip(names, [*names[1:], None], strict=True):
        go_on = {"transition": following} if following else {}
        file = {"scope": "workflow", "type": "plain", **mounts[name]}
        states += [
            {
                "id": name,
                "type": "action",
                "action": {"function": "f", "files": [file]},
                "catch": [{"error": "*", "transition": f"{name}-failed"}],
            },
            {
                "id": f"{name}-failed",
                "type": "noop",
                "transform": f"jq(.{name} = .error | del(.error))",
                **go_on,
            },
        ]
    function = {"id": "f", "image": "an/image:v1"}
    return runs.write_workflow(folder, *states, functions=[function])


def test_what_is_mounted_never_leaves_the_folder(caller: Caller) -> None:
    write_variables(caller, **{key: data for key, (data, _) in ARCHIVES.items()})
    mounts: dict[str, dict[str, Any]] = {key: {"key": key, "type": "tar"} for key in ARCHIVES}
    mounts["name"] = {"key": "text", "as": 'jq("../../x")'}
    flow = write_mounting(caller.folder, mounts)

    ended = caller.run(flow, *runs.option("f", "echo"), VARFLOW_MAX_ARCHIVE_BYTES="1000")

    output = ended.answer["output"]
    for key, (_, said) in ARCHIVES.items():
        assert said in output[key]["msg"], key
        assert f"workflow/{key} as tar" in output[key]["msg"]
    assert "'../../x'" in output["name"]["msg"]
    assert "echoing" not in ended.log
    assert not [path for path in caller.folder.rglob("*") if path.name in {"evil", "x"}]


# out/


def test_links_and_pipes_in_out_are_left_out_and_the_rest_is_kept(caller: Caller) -> None:
    ended = run_shell(
        caller,
        "ln -s /etc/passwd out/workflow/leak; mkfifo out/workflow/pipe; echo 1 > out/workflow/good",
        "ln -s /etc out/workflow/folder; mkdir out/workflow/tree; ln -s / out/workflow/tree/root",
    )

    assert ended.answer["status"] == "complete"
    for name in ("leak", "folder", "tree/root"):
        assert f"out/workflow/{name} is left out: it is a link" in ended.log
    assert "out/workflow/pipe is left out: it is a fifo" in ended.log
    assert read_variables(caller).keys() == {"good", "tree"}


def test_a_value_over_the_limit_fails_the_action_and_loses_nothing(caller: Caller) -> None:
    write_variables(caller, k=b"old")

    ended = run_shell(
        caller,
        "head -c 1001 /dev/zero > out/workflow/k; echo 1 > out/workflow/other",
        max_bytes=1000,
    )

    assert ended.answer["error"]["code"] == "too_large"
    assert "out/workflow/k" in ended.answer["error"]["message"]
    assert read_variables(caller) == {"k": b"old"}


# Functions


def test_how_a_function_died_is_told(caller: Caller) -> None:
    flow = runs.write_action(caller.folder)

    ended = caller.run(flow, *runs.option("f", "dying", caller.folder / "marker"))

    assert ended.answer["error"]["code"] == "container failed"
    assert "its process ended with exit code 3" in ended.answer["error"]["message"]


def test_a_function_that_hangs_ends_with_its_state(caller: Caller) -> None:
    flow = runs.write_action(caller.folder, timeout="PT0.5S")
    program = (
        "import time; from tests.support.functions.answering import serve;"
        "serve(lambda *_: time.sleep(100) or b'')"
    )

    ended = caller.run(
        flow,
        "--function",
        f"f={shlex.join([sys.executable, '-c', program])}",
        VARFLOW_CANCEL_GRACE_SECONDS="0.1",
    )

    assert ended.answer["error"]["code"] == "direktiv.cancels.timeout.soft"
    assert "told to stop" in ended.log


# The store

FULL_AND_READ_ONLY = """
mount -t tmpfs -o size=400k,mode=1777 tmpfs "$FOLDER" && cd "$FOLDER" || exit
write() { printf "$1" | $AS_USER $VARFLOW var set --workflow flow k; echo "exit $?"; }
run() { $AS_USER $VARFLOW run "$FLOW" --json 2>/dev/null; echo "exit $?"; }
list() { find store -path store/.locks -prune -o -type f -print | sort; }
unchanged() { [ "$(list)" = "$before" ] && echo unchanged; }
write old
head -c 9999999 /dev/zero >filling 2>/dev/null
before=$(list); write new; run; unchanged
rm filling
$AS_USER $VARFLOW var get --workflow flow k; echo
write newer
mount -o remount,ro "$FOLDER"
before=$(list); write newest; run; unchanged
$AS_USER $VARFLOW var get --workflow flow k; echo
$AS_USER $VARFLOW store check
"""
EXPECTED = """\
k: 3 bytes, revision 1-...
exit 0
varflow: cannot write ...: No space left on device; make room and try again [store_full]
exit 1
{..."status":"crashed"...: No space left on device; make room and try again [store_full]"}}
exit 1
unchanged
old
k: 5 bytes, revision 2-...
exit 0
varflow: ...store is not writable for this user, or mounted read-only; ... [store_read_only]
exit 1
{..."status":"crashed"..."code":"store_read_only"...}}
exit 1
unchanged
newer
varflow: ...nothing is wrong (objects: ..., namespaces: 1)
"""


def test_a_store_on_a_full_and_on_a_read_only_mount_keeps_what_it_has() -> None:
    wrapper = private_mounts.find_wrapper()
    as_user = private_mounts.find_ordinary_user(wrapper) if wrapper else None
    if not wrapper or as_user is None:
        pytest.skip("no right to mount; test_file_store_faults has these errors without a mount")
    values = [{"key": key, "scope": "workflow", "value": "set"} for key in ("k", "l")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        flow = runs.write_workflow(folder, {"id": "a", "type": "setter", "variables": values})
        (folder / "mount").mkdir()

        done = subprocess.run(
            [*wrapper, "bash", "-c", FULL_AND_READ_ONLY],
            cwd=runs.ROOT,
            env={
                **os.environ,
                "AS_USER": shlex.join(as_user),
                "FLOW": str(flow),
                "FOLDER": str(folder / "mount"),
                "VARFLOW": shlex.join([sys.executable, "-m", "varflow_cli"]),
                "VARFLOW_STORE": (folder / "mount/store").as_uri(),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=runs.DEADLINE_SECONDS,
            check=False,
        )

    console.check(console.Step(FULL_AND_READ_ONLY, EXPECTED), done.stdout)


# Standard streams


def call_in_shell(caller: Caller, command: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command line that begins with `varflow`."""
    varflow = shlex.join([sys.executable, "-m", "varflow_cli"])
    return subprocess.run(
        ["bash", "-c", command.replace("varflow", varflow, 1)],
        cwd=caller.folder,
        env={**os.environ, "VARFLOW_STORE": caller.store},
        capture_output=True,
        timeout=runs.DEADLINE_SECONDS,
        check=False,
    )


def test_a_closed_standard_input_overwrites_nothing(caller: Caller) -> None:
    write_variables(caller, k=b"old")

    ended = call_in_shell(caller, "varflow var set --workflow flow k <&-")

    assert ended.returncode == 2
    assert ended.stderr == b"varflow: the value cannot be read: Bad file descriptor\n"
    assert read_variables(caller) == {"k": b"old"}


@pytest.mark.parametrize("where", [">&-", ">/dev/full"], ids=["closed", "full"])
def test_output_that_cannot_be_written_is_an_error(caller: Caller, where: str) -> None:
    write_variables(caller, k=b"value")

    ended = call_in_shell(caller, f"varflow var get --workflow flow k {where}")

    assert ended.returncode == 1
    assert ended.stderr.startswith(b"varflow: standard output: ")


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"], ids=["closed", "full"])
def test_a_run_goes_on_when_its_progress_cannot_be_written(caller: Caller, where: str) -> None:
    flow = runs.write_workflow(caller.folder, {"id": "a", "type": "noop"})

    ended = call_in_shell(caller, f"varflow run {flow} --json {where}")

    assert ended.returncode == 0
    assert json.loads(ended.stdout)["status"] == "complete"
