"""`out/`: committed all together or not at all, and only when the function succeeded."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import tarfile
import threading
from pathlib import Path
from typing import Self

import pytest
from aiohttp import web

from tests.support import privileges, sidecars
from tests.support.sidecars import OWNERS, Call, Pod
from varflow.contract import Outcome, OutcomeStatus
from varflow.variables import paths
from varflow.variables.scopes import Address, Scope

SCOPES = ("instance", "workflow", "namespace")


def member_names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        return archive.getnames()


async def info(pod: Pod, scope: str, key: str) -> object:
    return await pod.variables.get(Address(OWNERS, Scope(scope), key))


async def test_files_become_variables_of_their_scope_under_their_name(pod: Pod) -> None:
    async def write(call: Call) -> object:
        for scope in SCOPES:
            call.out(scope, "out.json").write_text(scope)
        return "done"

    outcome = await pod.run(write)

    assert outcome == Outcome(status=OutcomeStatus.COMPLETE, output="done")
    for scope in SCOPES:
        assert await pod.read(scope, "out.json") == scope.encode()


@pytest.mark.parametrize("size", [0, 31 * 1024, 31 * 1024 + 1, 5_000_000])
async def test_a_file_of_any_size_keeps_its_bytes(pod: Pod, size: int) -> None:
    data = os.urandom(size)

    async def write(call: Call) -> object:
        call.out("workflow", "x").write_bytes(data)
        return {}

    await pod.run(write)

    assert await pod.read("workflow", "x") == data


NAMES = [".hidden", "1", "ü ö", "\U0001f600", "a.b-c_d", "k" * 253, "x\\y", "trailing-"]


async def test_every_name_that_is_a_key_is_kept(pod: Pod) -> None:
    async def write(call: Call) -> object:
        for name in NAMES:
            call.out("instance", name).write_text(name)
        return {}

    outcome = await pod.run(write)

    assert outcome.warnings == ()
    for name in NAMES:
        assert await pod.read("instance", name) == name.encode()


async def test_an_invalid_name_is_a_warning_in_the_log_and_loses_nothing_else(pod: Pod) -> None:
    async def write(call: Call) -> object:
        call.out("instance", "new\nline").write_text("1")
        call.out("instance", "k" * 254).write_text("1")
        call.out("instance", os.fsdecode(b"\xff")).write_text("1")
        call.out("instance", "good").write_text("2")
        call.out("workflow", "good").write_text("3")
        return {}

    outcome = await pod.run(write)

    assert outcome.status is OutcomeStatus.COMPLETE
    assert len(outcome.warnings) == 3
    assert all("is left out: its name cannot be a key" in text for text in outcome.warnings)
    assert await pod.read("instance", "good") == b"2"
    assert await pod.read("workflow", "good") == b"3"
    assert "is left out" in await read_log(pod)


async def read_log(pod: Pod) -> str:
    store = pod.variables.store
    prefix = paths.log_chunk(OWNERS, "x").removesuffix("x")
    chunks = []
    async for listed in store.list(prefix):
        chunks += [chunk async for chunk in store.read_body(listed.path)]
    return b"".join(chunks).decode()


async def test_a_folder_becomes_a_tar_gz_under_its_bare_name(pod: Pod) -> None:
    async def write(call: Call) -> object:
        top = call.out("workflow", "tree")
        (top / "empty").mkdir(parents=True)
        (top / "ünïcode").mkdir()
        (top / "ünïcode" / ("n" * 200)).write_text("long")
        (top / "run.sh").write_text("#!/bin/sh")
        (top / "run.sh").chmod(0o751)
        (top / "big").write_bytes(b"x" * 3_000_000)
        return {}

    await pod.run(write)

    data = await pod.read("workflow", "tree")
    assert data is not None
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        members = {member.name: member for member in archive}
        assert set(members) == {
            "empty",
            "ünïcode",
            "ünïcode/" + "n" * 200,
            "run.sh",
            "big",
        }
        assert members["empty"].isdir()
        assert members["run.sh"].mode == 0o751
        assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {
            (0, 0, 0)
        }
        big = archive.extractfile("big")
        assert big is not None
        assert big.read() == b"x" * 3_000_000
    found = await pod.variables.get(Address(OWNERS, Scope.WORKFLOW, "tree"))
    assert found is not None
    assert found.content_type == "application/gzip"


async def test_an_empty_folder_is_an_empty_archive(pod: Pod) -> None:
    async def write(call: Call) -> object:
        call.out("workflow", "tree").mkdir()
        return {}

    await pod.run(write)

    data = await pod.read("workflow", "tree")
    assert data is not None
    assert member_names(data) == []


@pytest.mark.parametrize("failure", ["code", "status", "message", "hang up"])
async def test_nothing_is_committed_when_the_function_fails(pod: Pod, failure: str) -> None:
    async def write(call: Call) -> object:
        for scope in SCOPES:
            call.out(scope, "x").write_text("1")
        match failure:
            case "code":
                return web.Response(headers={"Direktiv-ErrorCode": "c"})
            case "status":
                return web.Response(status=500)
            case "message":
                return web.Response(headers={"Direktiv-ErrorMessage": "m"})
            case _:
                raise asyncio.CancelledError

    outcome = await pod.run(write)

    assert outcome.status is not OutcomeStatus.COMPLETE
    for scope in SCOPES:
        assert await pod.read(scope, "x") is None


async def test_unchanged_entries_are_not_written_again(pod: Pod) -> None:
    async def write(call: Call) -> object:
        call.out("workflow", "same").write_text("1")
        call.out("workflow", "changed").write_text(call.action_id)
        call.out("workflow", "folder").mkdir()
        (call.out("workflow", "folder") / "f").write_text("1")
        os.utime(call.out("workflow", "folder") / "f", (len(call.action_id), 1))
        return {}

    await pod.run(write)
    before = {key: await info(pod, "workflow", key) for key in ("same", "changed", "folder")}
    await pod.run(write)
    after = {key: await info(pod, "workflow", key) for key in ("same", "changed", "folder")}

    assert before["same"].rev == after["same"].rev  # type: ignore[attr-defined]
    assert before["folder"].rev == after["folder"].rev  # type: ignore[attr-defined]
    assert before["changed"].rev != after["changed"].rev  # type: ignore[attr-defined]


async def test_an_action_without_changes_writes_no_decision(pod: Pod) -> None:
    dispatch = sidecars.make_dispatch()
    await pod.sidecar.actions.run(dispatch)

    assert await pod.variables.store.get(paths.decision(OWNERS, dispatch.decision)) is None


async def test_the_outcome_is_committed_with_the_variables(pod: Pod) -> None:
    async def write(call: Call) -> object:
        call.out("workflow", "x").write_text("1")
        call.out("workflow", "link").symlink_to("x")
        return "mine"

    dispatch = sidecars.make_dispatch()
    pod.function.handler = write
    outcome = await pod.sidecar.actions.run(dispatch)

    found = await pod.variables.find_decision(paths.decision(OWNERS, dispatch.decision))
    assert Outcome.decode(found.result) == outcome  # type: ignore[union-attr]
    assert outcome.warnings


async def test_a_second_attempt_adopts_the_outcome_of_the_first_without_a_call(pod: Pod) -> None:
    async def write(call: Call) -> object:
        call.out("workflow", "x").write_text(call.action_id)
        return call.action_id

    first = await pod.run(write, action_id="first", decision="d")
    second = await pod.run(write, action_id="second", decision="d")

    assert second == first
    assert len(pod.function.calls) == 1
    assert await pod.read("workflow", "x") == b"first"


async def test_of_two_attempts_at_once_one_takes_effect(pod: Pod) -> None:
    both = asyncio.Barrier(2)

    async def write(call: Call) -> object:
        for scope in SCOPES:
            call.out(scope, "x").write_text(call.action_id)
        await both.wait()
        return call.action_id

    first, second = await asyncio.gather(
        pod.run(write, action_id="a", decision="d"), pod.run(write, action_id="b", decision="d")
    )

    assert first.output == second.output
    for scope in SCOPES:
        assert await pod.read(scope, "x") == first.output.encode()


async def test_an_abandoned_action_is_not_called(pod: Pod) -> None:
    await pod.variables.abandon(paths.decision(OWNERS, "d"))

    outcome = await pod.run(decision="d")

    assert outcome.status is OutcomeStatus.CANCELLED
    assert pod.function.calls == []


async def test_the_first_execution_of_an_action_asks_the_store_only_to_change_something(
    pod: Pod,
) -> None:
    async def write(call: Call) -> object:
        call.out("workflow", "x").write_text("1")
        return {}

    await pod.variables.abandon(paths.decision(OWNERS, "d"))

    idle = await pod.run(decision="d", is_first=True)
    changing = await pod.run(write, decision="d", is_first=True)

    assert idle.status is OutcomeStatus.COMPLETE
    assert changing.status is OutcomeStatus.CANCELLED
    assert await pod.read("workflow", "x") is None


async def test_an_action_that_is_abandoned_meanwhile_commits_nothing(pod: Pod) -> None:
    async def write(call: Call) -> object:
        call.out("workflow", "x").write_text("1")
        await pod.variables.abandon(paths.decision(OWNERS, "d"))
        return {}

    outcome = await pod.run(write, decision="d")

    assert outcome.status is OutcomeStatus.CANCELLED
    assert await pod.read("workflow", "x") is None


async def test_the_next_action_sees_what_the_last_one_wrote(pod: Pod) -> None:
    async def count(call: Call) -> object:
        text = (call.folder / "n").read_text()
        number = int(text or 0) + 1
        call.out("workflow", "n").write_text(str(number))
        return number

    mounts = (sidecars.mount("n", scope="workflow"),)
    outputs = [(await pod.run(count, files=mounts)).output for _ in range(5)]

    assert outputs == [1, 2, 3, 4, 5]


# Hostile content


async def test_links_fifos_and_sockets_are_left_out_with_a_warning(
    pod: Pod, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")

    async def write(call: Call) -> object:
        folder = call.out("workflow", "folder")
        folder.mkdir()
        for place in (call.out("workflow", ""), folder):
            (place / "link").symlink_to(secret)
            (place / "dirlink").symlink_to(tmp_path)
            (place / "dangling").symlink_to("nowhere")
            os.mkfifo(place / "fifo")
            (place / "good").write_text("good")
        with socket.socket(socket.AF_UNIX) as unix:
            os.chdir(folder)
            unix.bind("socket")
        return {}

    before = Path.cwd()
    try:
        outcome = await pod.run(write)
    finally:
        os.chdir(before)

    assert outcome.status is OutcomeStatus.COMPLETE
    assert len(outcome.warnings) == 9
    assert await pod.read("workflow", "good") == b"good"
    assert await pod.read("workflow", "link") is None
    data = await pod.read("workflow", "folder")
    assert data is not None
    assert member_names(data) == ["good"]


@pytest.mark.parametrize("what", ["out", "out/workflow"])
@pytest.mark.parametrize("how", ["link", "file", "gone"])
async def test_a_folder_that_the_function_replaced_is_not_followed(
    pod: Pod, tmp_path: Path, what: str, how: str
) -> None:
    (tmp_path / "elsewhere" / "workflow").mkdir(parents=True)
    (tmp_path / "elsewhere" / "secret").write_text("secret")
    (tmp_path / "elsewhere" / "workflow" / "secret").write_text("secret")

    async def replace(call: Call) -> object:
        (call.folder / what).rename(call.folder / "old")
        if how == "link":
            (call.folder / what).symlink_to(tmp_path / "elsewhere")
        elif how == "file":
            (call.folder / what).write_text("file")
        return {}

    outcome = await pod.run(replace)

    assert outcome.status is OutcomeStatus.COMPLETE
    assert len(outcome.warnings) == (0 if how == "gone" else 1)
    assert await pod.read("workflow", "secret") is None


async def test_other_things_beside_the_scopes_are_warnings(pod: Pod) -> None:
    async def write(call: Call) -> object:
        (call.folder / "out" / "file").mkdir()
        (call.folder / "out" / "x").write_text("x")
        return {}

    outcome = await pod.run(write)

    assert len(outcome.warnings) == 2
    assert "only instance, workflow, namespace are kept" in outcome.warnings[0]


async def test_too_deep_a_folder_fails_the_action_and_commits_nothing(pod: Pod) -> None:
    async def write(call: Call) -> object:
        call.out("instance", "x").write_text("1")
        (call.out("workflow", "deep").joinpath(*["d"] * 200)).mkdir(parents=True)
        return {}

    outcome = await pod.run(write)

    assert (outcome.status, outcome.code) == (OutcomeStatus.FAILED, "invalid_input")
    assert "out/workflow/deep" in outcome.message
    assert await pod.read("instance", "x") is None


async def test_a_file_over_the_limit_fails_the_action_and_commits_nothing(tmp_path: Path) -> None:
    async def write(call: Call) -> object:
        call.out("instance", "x").write_text("1")
        call.out("workflow", "big").write_bytes(b"x" * 100_001)
        return {}

    async with sidecars.running(tmp_path / "s", max_variable_bytes=100_000) as pod:
        outcome = await pod.run(write)

        assert (outcome.status, outcome.code) == (OutcomeStatus.FAILED, "too_large")
        assert await pod.read("instance", "x") is None


class Swapper:
    """Puts a link and a file in each other's place, by descriptors that outlive renaming."""

    def __init__(self) -> None:
        self.folders: list[int] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._swap)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()
        self.forget()

    def forget(self) -> None:
        while self.folders:
            os.close(self.folders.pop())

    def _swap(self) -> None:
        while not self._done.is_set():
            for folder in list(self.folders):
                with contextlib.suppress(OSError):
                    os.rename("link", "tmp", src_dir_fd=folder, dst_dir_fd=folder)
                    os.rename("file", "link", src_dir_fd=folder, dst_dir_fd=folder)
                    os.rename("tmp", "file", src_dir_fd=folder, dst_dir_fd=folder)


async def test_entries_that_are_swapped_while_packing_never_leak(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"SECRET" * 1000)

    async def write(call: Call) -> object:
        top = call.out("workflow", "tree")
        top.mkdir()
        for folder in (call.out("workflow", ""), top):
            (folder / "file").write_text("public")
            (folder / "link").symlink_to(tmp_path / "secret")
            swapper.folders.append(os.open(folder, os.O_RDONLY))
        return {}

    with Swapper() as swapper:
        for _ in range(20):
            await pod.run(write)
            for key in ("file", "link", "tmp"):
                assert await pod.read("workflow", key) in {None, b"public"}
            check_members(await pod.read("workflow", "tree"))
            swapper.forget()


def check_members(data: bytes | None) -> None:
    assert data is not None
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            assert file.read() == b"public"


async def test_a_file_that_the_sidecar_may_not_read_fails_the_action(tmp_path: Path) -> None:
    async def write(call: Call) -> object:
        call.out("workflow", "x").write_text("1")
        call.out("workflow", "x").chmod(0)
        return {}

    with privileges.unprivileged(tmp_path):
        async with sidecars.running(tmp_path / "shared") as pod:
            outcome = await pod.run(write)

    assert (outcome.status, outcome.code) == (OutcomeStatus.FAILED, "invalid_input")


async def test_a_function_that_goes_on_writing_finds_nothing_to_write_to(pod: Pod) -> None:
    paths_seen: list[Path] = []

    async def write(call: Call) -> object:
        paths_seen.append(call.out("workflow", "late"))
        return {}

    await pod.run(write)

    with pytest.raises(FileNotFoundError):
        paths_seen[0].write_text("late")
