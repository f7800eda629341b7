"""`varflow store check`: what it finds, what it mends, and what it leaves to people."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import s3
from tests.support.cluster.s3_servers import S3Server
from tests.support.encryption import RING
from tests.support.runs import Caller, Ended
from tests.support.stores import paths_in
from varflow.variables import paths
from varflow.variables.scopes import Address, Owners, Scope
from varflow_cli.stores import storing

LARGE = b"x" * 100_000
OWNERS = Owners(storing.CLUSTER, "default", "w", "")
K = Address(OWNERS, Scope.NAMESPACE, "k")


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


@pytest.fixture
def bucket_caller(s3_server: S3Server, tmp_path: Path) -> tuple[Caller, s3.Place]:
    """Somebody who works with a bucket, and where in it."""
    place = s3.make_place(s3_server, s3.make_bucket(s3_server))
    environ = {
        "VARFLOW_STORE": place.url,
        "AWS_ACCESS_KEY_ID": s3_server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_access_key,
    }
    return Caller(tmp_path, environ), place


def check(caller: Caller, *arguments: str) -> Ended:
    return caller.call("store", "check", *arguments)


def found(ended: Ended) -> dict[str, dict[str, Any]]:
    """Return the findings of a check with `--json` by kind."""
    return {it["kind"]: it for it in ended.answer["findings"]}


async def overwrite(caller: Caller, *owners: Owners) -> None:
    """Leave a body that nobody names, of each of these."""
    async with storing.open_variables(caller.store) as variables:
        for each in owners or (OWNERS,):
            address = replace(K, owners=each)
            await variables.set(address, LARGE)
            await variables.set(address, LARGE)


async def test_a_store_in_use_has_nothing_wrong(caller: Caller) -> None:
    await overwrite(caller)

    ended = check(caller)
    table = ended.stdout.decode().splitlines()

    assert ended.exit_code == 0
    assert table[0].split()[:2] == ["WHAT", "COUNT"]
    assert table[1].startswith("bytes that no variable has")
    assert ended.log == "varflow: nothing is wrong (objects: 3, namespaces: 1)\n"


def test_a_store_is_checked_with_the_keys_of_the_environment(tmp_path: Path) -> None:
    caller = Caller(tmp_path, {"VARFLOW_ENCRYPTION_KEYS": RING.encode()})
    caller.call("var", "set", "k", "--value", "1")
    caller.call("var", "set", "large", stdin=LARGE)

    ended = check(caller)

    assert (ended.exit_code, ended.stdout) == (0, b"")
    assert ended.log == "varflow: nothing is wrong (objects: 3, namespaces: 1)\n"


async def test_an_empty_store_is_in_order(caller: Caller) -> None:
    (caller.folder / "store").mkdir()

    ended = check(caller)

    assert (ended.exit_code, ended.stdout) == (0, b"")
    assert list((caller.folder / "store").iterdir()) == []


async def test_repair_removes_what_nobody_names_and_nobody_may_be_using(caller: Caller) -> None:
    await overwrite(caller)

    first = found(check(caller, "--json", "--repair", "--older-than", "0s"))
    second = found(check(caller, "--json", "--repair", "--older-than", "0s"))
    third = check(caller, "--json")

    assert (first["orphaned_body"]["count"], first["orphaned_body"]["repaired"]) == (1, 0)
    assert (second["orphaned_body"]["count"], second["orphaned_body"]["repaired"]) == (1, 1)
    assert third.answer["ok"]
    assert third.answer["findings"] == []
    assert caller.call("var", "get", "k").stdout == LARGE


async def test_damage_is_told_with_its_place_and_left_alone(caller: Caller) -> None:
    await overwrite(caller)
    async with storing.open_variables(caller.store) as variables:
        for path in await paths_in(variables.store, "v1/local/default/bodies/"):
            await variables.store.delete(path)
        await variables.store.put("v1/local/default/n/broken", b"not ours")
        await variables.store.put("v1/local/default/strange", b"not ours")
        before = await paths_in(variables.store)

    ended = check(caller, "--json", "--repair", "--older-than", "0s")

    assert ended.exit_code == 1
    assert not ended.answer["ok"]
    assert {kind: it["examples"][0]["path"] for kind, it in found(ended).items()} == {
        "broken_record": "v1/local/default/n/broken",
        "missing_body": "v1/local/default/n/k",
        "unknown_object": "v1/local/default/strange",
    }
    assert ended.log.startswith("varflow: wrong: 3 ")
    async with storing.open_variables(caller.store) as variables:
        after = await paths_in(variables.store)
    assert after == sorted([*before, paths.marks("v1/local/default/")])


async def test_of_a_shared_store_one_cluster_is_repaired(caller: Caller) -> None:
    await overwrite(caller, OWNERS, replace(OWNERS, cluster="other"))

    unsaid = check(caller, "--repair", "--older-than", "0s")
    repair = ("--repair", "--json", "--older-than", "0s", "--cluster", "other")
    _, said = check(caller, *repair), check(caller, *repair)
    rest = check(caller, "--json")

    assert unsaid.exit_code == 2
    assert "local, other" in unsaid.log
    assert found(said)["orphaned_body"]["repaired"] == 1
    (left,) = found(rest)["orphaned_body"]["examples"]
    assert left["path"].startswith("v1/local/")


async def test_a_cluster_without_anything_in_the_store_is_told_of(caller: Caller) -> None:
    await overwrite(caller)

    ended = check(caller, "--cluster", "mistyped")

    assert ended.exit_code == 0
    assert "nothing in this store belongs to the cluster mistyped\n" in ended.log


@pytest.mark.parametrize(
    "arguments",
    [["--older-than", "soon"], ["--store", "somewhere"], ["-k", "--store", "memory:"]],
    ids=["age", "store", "two stores"],
)
def test_a_mistake_is_exit_code_2(caller: Caller, arguments: list[str]) -> None:
    assert check(caller, *arguments).exit_code == 2


def test_a_bucket_is_checked_with_its_uploads(bucket_caller: tuple[Caller, s3.Place]) -> None:
    caller, place = bucket_caller
    caller.call("var", "set", "k", stdin=LARGE)
    with contextlib.closing(place.client()) as client:
        key = f"{place.prefix}/v1/local/default/bodies/b!"
        client.create_multipart_upload(Bucket=place.bucket, Key=key)

    usual = check(caller, "--json")
    due = check(caller, "--json", "--older-than", "0s")
    repaired = check(caller, "--json", "--repair", "--older-than", "0s")

    assert [it.exit_code for it in (usual, due, repaired)] == [0, 1, 0]
    assert found(due)["unfinished_upload"]["examples"][0]["path"] == "v1/local/default/bodies/b"
    assert found(repaired)["unfinished_upload"]["repaired"] == 1
    assert place.uploads() == []
    assert caller.call("var", "get", "k").stdout == LARGE


def test_a_scope_goes_from_a_bucket_to_a_folder(bucket_caller: tuple[Caller, s3.Place]) -> None:
    caller, _ = bucket_caller
    folder = ("--store", (caller.folder / "folder").as_uri())
    caller.call("var", "set", "large", stdin=LARGE)
    caller.call("var", "set", "small", "--create", "--value", "1")

    archive = caller.call("var", "export", "-").stdout
    restored = caller.call("var", "import", "-", *folder, stdin=archive)

    assert restored.log == "2 variables written\n"
    assert caller.call("var", "get", "large", *folder).stdout == LARGE
