"""`varflow store probe`, and the commands that probe by themselves before they write."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import lying_s3, runs, s3
from tests.support.faulty_s3 import FaultyS3
from tests.support.runs import Caller, Ended
from varflow.variables.probe import checks

POST_IF_NONE_MATCH = (
    "curl -s -o /dev/null -w '%{http_code}' -H 'If-None-Match: *' --data 1"
    " 'http://localhost:8889/var?key=k&aid='$AID"
)


@dataclass(frozen=True, slots=True)
class Somebody:
    """Works with a bucket whose server may lie."""

    caller: Caller
    proxy: FaultyS3
    place: s3.Place

    def call(self, *arguments: str) -> Ended:
        return self.caller.call(*arguments)

    def make_marker(self) -> None:
        """Have the place hold a store with nothing in it."""
        with contextlib.closing(self.place.client()) as client:
            client.put_object(
                Bucket=self.place.bucket,
                Key=f"{self.place.prefix}/varflow.json!",
                Body=b'{"layout":1}',
            )

    def writes(self) -> int:
        """Return how many objects were written since the last time."""
        return self.proxy.take().count("PUT")


@pytest.fixture
def somebody(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Somebody]:
    make = lying_s3.LIES[request.param][0] if request.param else None
    with s3.moto() as server:
        place = s3.make_place(server, s3.make_bucket(server))
        with FaultyS3(server, lie=make() if make else None) as proxy:
            environ = {
                "VARFLOW_STORE": s3.Place(proxy.server, place.bucket, place.prefix).url,
                "AWS_ACCESS_KEY_ID": server.access_key_id,
                "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
            }
            yield Somebody(Caller(tmp_path, environ), proxy, place)


def over(lie: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("somebody", [lie], indirect=True, ids=[lie or "truthful"])


# varflow store probe


@over("")
def test_a_store_that_does_what_it_says_is_0_and_every_check_ok(somebody: Somebody) -> None:
    probed = somebody.call("store", "probe")

    assert probed.exit_code == 0
    rows = [line.split()[:2] for line in probed.stdout.decode().splitlines()]
    assert rows == [["CHECK", "RESULT"], *([check.name, "ok"] for check in checks.CHECKS)]
    assert "keeps all promises" in probed.log


@over("If-None-Match is ignored")
def test_a_store_that_lies_is_1_and_says_which_promise_is_off(somebody: Somebody) -> None:
    probed = somebody.call("store", "probe", "--json")

    found = json.loads(probed.stdout)
    assert probed.exit_code == 1
    assert found["promises"] == {"writes": True, "updates": False, "commits": False}
    lies = {check["name"]: check["fault"] for check in found["checks"] if check["fault"]}
    assert lies["create"] == "3 of 3 writes under `If-None-Match: *` replaced 64 bytes"
    assert "does not keep: updates (a compare-and-swap never loses an update)" in probed.log


def test_a_store_that_is_not_there_is_1_and_prints_no_table(tmp_path: Path) -> None:
    caller = Caller(tmp_path, {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"})
    probed = caller.call("store", "probe", "--store", "s3://bucket?endpoint=http://127.0.0.1:9")

    assert (probed.exit_code, probed.stdout) == (1, b"")
    assert "[store_unavailable]" in probed.log


@pytest.mark.parametrize("url", ["memory:", "file://{}"])
def test_stores_without_a_server_can_be_probed_too(url: str, tmp_path: Path) -> None:
    probed = Caller(tmp_path).call("store", "probe", "--store", url.format(tmp_path / "folder"))

    assert probed.exit_code == 0


# Commands that write


@over("")
def test_a_good_store_is_probed_once(somebody: Somebody) -> None:
    assert somebody.call("var", "set", "k", "--value", "1").exit_code == 0
    assert somebody.writes() > 50

    assert somebody.call("var", "set", "k", "--value", "2").exit_code == 0
    assert somebody.writes() == 1


@over("If-Match is ignored")
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["var", "set", "k", "--value", "1"], id="var-set"),
        pytest.param(["var", "rm", "k"], id="var-rm"),
        pytest.param(["workflow", "rm", "w", "--yes"], id="workflow-rm"),
        pytest.param(["namespace", "rm", "n", "--yes"], id="namespace-rm"),
    ],
)
def test_a_store_that_lies_is_not_written_unless_that_is_accepted(
    somebody: Somebody, arguments: list[str]
) -> None:
    somebody.make_marker()

    refused = somebody.call(*arguments)
    assert refused.exit_code == 1
    assert "writes under another ETag replaced" in refused.log
    assert refused.log.rstrip().endswith("looks again [store_unsafe]")
    somebody.writes()

    accepted = somebody.call(*arguments, "--accept-unsafe-store")
    assert accepted.exit_code == 0
    assert "varflow: warning: the store s3://" in accepted.log
    assert somebody.writes() <= 1


@over("If-Match is ignored")
def test_who_only_reads_is_not_stopped(somebody: Somebody) -> None:
    accepting = {"VARFLOW_ACCEPT_UNSAFE_STORE": "1"}
    Caller(somebody.caller.folder, {**somebody.caller.environ, **accepting}).call(
        *("var", "set", "k", "--value", "1")
    )
    somebody.writes()

    assert somebody.call("var", "get", "k").stdout == b"1"
    assert somebody.call("var", "ls").exit_code == 0
    assert somebody.writes() == 0


@over("")
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["var", "ls"], id="var-ls"),
        pytest.param(["var", "rm", "k"], id="var-rm"),
        pytest.param(["store", "check"], id="store-check"),
    ],
)
@pytest.mark.parametrize("bucket", ["there", "missing"])
def test_a_store_that_is_not_there_is_not_made_to_look_at_it(
    somebody: Somebody, arguments: list[str], bucket: str
) -> None:
    url = somebody.caller.environ["VARFLOW_STORE"]
    if bucket == "missing":
        url = url.replace(somebody.place.bucket, "mistyped") + "&createBucket=true"
    cache = somebody.caller.folder / "cache"

    ended = somebody.call(*arguments, "--store", url)

    assert (ended.exit_code, ended.stdout) == (2, b"")
    assert ended.log.endswith("[store_not_found]\n")
    assert not cache.exists()
    assert somebody.writes() == 0


@over("")
def test_a_note_that_cannot_be_read_or_written_costs_a_probe_and_nothing_else(
    somebody: Somebody,
) -> None:
    cache = somebody.caller.folder / "cache"
    somebody.call("var", "set", "k", "--value", "1")
    (note,) = (cache / "varflow" / "probes").iterdir()
    note.write_bytes(b'{"probe": 1, "at"')
    somebody.writes()
    assert somebody.call("var", "set", "k", "--value", "2").exit_code == 0
    assert somebody.writes() > 50

    nowhere = {**somebody.caller.environ, "XDG_CACHE_HOME": "/proc/nowhere"}
    ended = Caller(somebody.caller.folder, nowhere).call("var", "set", "k", "--value", "3")
    assert ended.exit_code == 0
    assert somebody.writes() > 50


@over("If-None-Match is ignored")
def test_a_run_over_a_store_that_lies_needs_to_be_told_so(somebody: Somebody) -> None:
    flow = runs.write_action(somebody.caller.folder, transform="jq(.return[0])")
    start = f"f={shlex.join([sys.executable, '-m', 'tests.support.shell_function'])}"
    given = ["--function", start, "--input", json.dumps({"commands": [POST_IF_NONE_MATCH]})]

    refused = somebody.caller.run(flow, *given)
    accepted = somebody.caller.run(flow, *given, "--accept-unsafe-store")

    assert refused.answer["error"]["code"] == "store_unsafe"
    assert accepted.answer["status"] == "complete"
    assert accepted.answer["output"]["printed"] == "501"
    assert "this is accepted" in accepted.log
