"""What the client asks the sidecar, and what it makes of the answers."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support import stand_in_sidecar
from tests.support.stand_in_sidecar import Scripted, StandInSidecar
from varflow_client import (
    InvalidConversion,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    SidecarError,
    SidecarUnreachable,
    StoreUnavailable,
    TooLarge,
    UnknownAction,
    VariableExists,
    Variables,
)
from varflow_client.transport import Sidecar
from varflow_client.values import Ttl

MISSING = Scripted(headers={"Varflow-Exists": "false"})


@pytest.fixture
def sidecar() -> Iterator[StandInSidecar]:
    with stand_in_sidecar.running() as server:
        yield server


@pytest.fixture
def variables(sidecar: StandInSidecar) -> Iterator[Variables]:
    client = Sidecar(sidecar.url)
    yield Variables("a-1", sidecar=client)
    client.close()


def refusal(status: int, code: str) -> Scripted:
    body = json.dumps({"error": {"code": code, "message": f"because of {code}"}}).encode()
    return Scripted(status, body)


# Reading


def test_get_asks_for_the_variable_of_the_action_and_scope(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(Scripted(body=b"[1]"))

    assert variables.get("my key & more", scope="workflow") == [1]
    assert sidecar.last.method == "GET"
    assert sidecar.last.path == "/var"
    assert sidecar.last.query == {
        "aid": "a-1",
        "scope": "workflow",
        "key": "my key & more",
    }


def test_scope_is_the_instance_unless_said(sidecar: StandInSidecar, variables: Variables) -> None:
    variables.set("k", 1)

    assert sidecar.last.query["scope"] == "instance"


def test_missing_variable_is_none(sidecar: StandInSidecar, variables: Variables) -> None:
    sidecar.script.append(MISSING)

    assert variables.get("k") is None


def test_missing_variable_is_the_default(sidecar: StandInSidecar, variables: Variables) -> None:
    sidecar.script.append(MISSING)

    assert variables.get("k", as_=int, default=7) == 7


def test_missing_variable_raises_when_it_is_required(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(MISSING)

    with pytest.raises(NotFound, match="no variable 'k' in scope 'namespace'") as caught:
        variables.get("k", scope="namespace", required=True)

    assert (caught.value.code, caught.value.status) == ("not_found", 404)


@pytest.mark.parametrize(
    ("as_", "name", "body", "value"),
    [
        pytest.param(str, "string", b'"a"', "a", id="json-string"),
        pytest.param(str, "string", b"plain \xc3\xa9", "plain é", id="text"),
        pytest.param(int, "int", b"3", 3, id="int"),
        pytest.param(float, "number", b"3", 3.0, id="float"),
        pytest.param(bool, "bool", b"false", False, id="bool"),
        pytest.param(list, "array", b"[]", [], id="list"),
        pytest.param(dict, "object", b"{}", {}, id="dict"),
        pytest.param("number", "number", b"0", 0.0, id="by-name"),
    ],
)
def test_type_is_checked_by_the_sidecar_and_the_value_is_python_s(
    sidecar: StandInSidecar, variables: Variables, as_: Any, name: str, body: bytes, value: object
) -> None:
    sidecar.script.append(Scripted(body=body))

    got = variables.get("k", as_=as_)

    assert (got, type(got)) == (value, type(value))
    assert sidecar.last.query["as"] == name


@pytest.mark.parametrize("data", [b"\x00\xff", b""], ids=["some", "none"])
def test_bytes_come_as_they_are(sidecar: StandInSidecar, variables: Variables, data: bytes) -> None:
    sidecar.script.append(Scripted(body=data))

    assert variables.get("k", as_=bytes) == data
    assert "as" not in sidecar.last.query


@pytest.mark.parametrize("data", [b"\x00", b"", b"NaN", b"{"])
def test_what_is_no_json_is_an_error_that_names_the_way_out(
    sidecar: StandInSidecar, variables: Variables, data: bytes
) -> None:
    sidecar.script.append(Scripted(body=data))

    with pytest.raises(InvalidConversion, match="as_=bytes") as caught:
        variables.get("k", default=0)

    assert (caught.value.code, caught.value.status) == ("invalid_conversion", 422)


def test_text_is_not_taken_for_json(sidecar: StandInSidecar, variables: Variables) -> None:
    text = {"Content-Type": "text/plain; charset=utf-8"}
    sidecar.script.append(Scripted(body=b'"quoted"', headers=text))

    assert variables.get("k", as_=str) == '"quoted"'


def test_unknown_type_is_refused_before_asking(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    with pytest.raises(TypeError, match="none of the types bytes, str"):
        variables.get("k", as_=complex)  # type: ignore[type-var]

    assert sidecar.received == []


def test_falsy_values_are_values(sidecar: StandInSidecar, variables: Variables) -> None:
    sidecar.script.append(Scripted(body=b"0"))

    assert variables.get("k", default=5) == 0


def test_find_tells_revision_type_and_expiry(sidecar: StandInSidecar, variables: Variables) -> None:
    headers = {
        "ETag": '"r7"',
        "Varflow-Revision": "r7",
        "Content-Type": "application/json",
        "Varflow-Expires-At": "2026-11-21T10:00:00Z",
    }
    sidecar.script.append(Scripted(body=b'{"a":1}', headers=headers))

    found = variables.find("k")

    assert found is not None
    assert (found.revision, found.etag, found.content_type) == ("r7", '"r7"', "application/json")
    assert found.expires_at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert found.json() == {"a": 1}


def test_find_gives_none_for_a_missing_variable(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(MISSING)

    assert variables.find("k") is None


def test_bytes_that_are_not_json_name_the_way_out(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(Scripted(body=b"\x00"))
    found = variables.find("k")
    assert found is not None

    with pytest.raises(InvalidConversion, match="as_=bytes"):
        found.json()


def test_download_streams_into_a_file(sidecar: StandInSidecar, variables: Variables) -> None:
    body = os.urandom(600_000)
    sidecar.script.append(Scripted(body=body))
    file = io.BytesIO()

    assert variables.download("k", file) == len(body)
    assert file.getvalue() == body
    assert "as" not in sidecar.last.query


def test_download_of_a_missing_variable_is_none(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(MISSING)

    assert variables.download("k", io.BytesIO()) is None


def read_into_memory(variables: Variables) -> object:
    return variables.get("k", as_=bytes)


def read_into_a_file(variables: Variables) -> object:
    return variables.download("k", io.BytesIO())


@pytest.mark.parametrize("read", [read_into_memory, read_into_a_file])
def test_answer_that_breaks_off_is_an_error(
    sidecar: StandInSidecar, variables: Variables, read: Callable[[Variables], object]
) -> None:
    sidecar.script.append(Scripted(body=b"x" * 1000, is_cut_off=True))

    with pytest.raises(SidecarUnreachable, match="broke off"):
        read(variables)


# Writing


@pytest.mark.parametrize(
    ("value", "body", "content_type"),
    [
        pytest.param({"ä": [1, None]}, '{"ä":[1,null]}'.encode(), "application/json", id="json"),
        pytest.param("text", b'"text"', "application/json", id="string"),
        pytest.param(None, b"null", "application/json", id="none"),
        pytest.param(b"\x00\x01", b"\x00\x01", "application/octet-stream", id="bytes"),
        pytest.param(bytearray(b"a"), b"a", "application/octet-stream", id="bytearray"),
        pytest.param(memoryview(b"a"), b"a", "application/octet-stream", id="memoryview"),
    ],
)
def test_set_sends_json_or_the_bytes_themselves(
    sidecar: StandInSidecar, variables: Variables, value: object, body: bytes, content_type: str
) -> None:
    variables.set("k", value)

    assert sidecar.last.method == "POST"
    assert sidecar.last.body == body
    assert sidecar.last.headers["Content-Type"] == content_type
    assert sidecar.last.query == {"aid": "a-1", "scope": "instance", "key": "k"}


@pytest.mark.parametrize(
    ("ttl", "text"),
    [
        pytest.param(90, "90", id="seconds"),
        pytest.param(0.5, "0.5", id="fraction"),
        pytest.param(timedelta(minutes=2), "120.0", id="timedelta"),
        pytest.param(None, "none", id="for-ever"),
    ],
)
def test_time_to_live_is_sent_in_seconds(
    sidecar: StandInSidecar, variables: Variables, ttl: Ttl, text: str
) -> None:
    variables.set("k", 1, ttl=ttl)

    assert sidecar.last.query["ttl"] == text


@pytest.mark.parametrize("value", [float("nan"), object()], ids=["nan", "object"])
def test_value_that_json_cannot_hold_is_refused_before_sending(
    sidecar: StandInSidecar, variables: Variables, value: object
) -> None:
    with pytest.raises((TypeError, ValueError)):
        variables.set("k", value)

    assert sidecar.received == []


def test_set_streams_what_is_left_of_a_file_with_its_length(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    data = os.urandom(600_000)
    file = io.BytesIO(data)
    file.seek(100)

    variables.set("k", file, content_type="image/png")

    assert sidecar.last.body == data[100:]
    assert sidecar.last.headers["Content-Length"] == str(len(data) - 100)
    assert sidecar.last.headers["Content-Type"] == "image/png"


def test_set_streams_a_pipe_in_chunks(sidecar: StandInSidecar, variables: Variables) -> None:
    reading, writing = os.pipe()
    with open(writing, "wb") as sink:
        sink.write(b"from a pipe")

    with open(reading, "rb") as source:
        variables.set("k", source)

    assert sidecar.last.body == b"from a pipe"


class Growing(io.BytesIO):
    """A file that others append to while it is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        here = self.tell()
        self.seek(0, io.SEEK_END)
        self.write(b"more")
        self.seek(here)
        return super().read(size)


class Failing(io.BytesIO):
    """A file on a disk that breaks."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_file_that_grows_is_sent_as_long_as_it_was(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    variables.set("k", Growing(b"as it was"))

    assert sidecar.last.body == b"as it was"


def test_file_that_cannot_be_read_is_not_the_sidecar_s_fault(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        variables.set("k", Failing(b"lost"))


def test_file_in_text_mode_is_refused(sidecar: StandInSidecar, variables: Variables) -> None:
    with pytest.raises(TypeError, match="binary mode"):
        variables.set("k", io.StringIO("a"))


def test_create_asks_for_the_mode(sidecar: StandInSidecar, variables: Variables) -> None:
    variables.create("k", 1, ttl=5)

    assert sidecar.last.query["mode"] == "create"
    assert sidecar.last.query["ttl"] == "5"


def test_delete_asks_for_deletion(sidecar: StandInSidecar, variables: Variables) -> None:
    sidecar.script.append(Scripted(204))

    variables.delete("k", scope="namespace")

    assert (sidecar.last.method, sidecar.last.query["scope"]) == ("DELETE", "namespace")


def test_log_sends_the_line(sidecar: StandInSidecar, variables: Variables) -> None:
    variables.log("grüße")

    assert (sidecar.last.method, sidecar.last.path) == ("POST", "/log")
    assert sidecar.last.query == {"aid": "a-1"}
    assert sidecar.last.body == "grüße".encode()


def test_update_writes_under_the_revision_it_read(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(Scripted(body=b"4", headers={"ETag": '"r1"'}))

    assert variables.update("k", lambda n: n + 1, default=0) == 5
    assert sidecar.last.body == b"5"
    assert sidecar.last.headers["If-Match"] == '"r1"'


def test_update_of_a_missing_variable_creates_it(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(MISSING)

    assert variables.update("k", lambda n: n + 1, default=0) == 1
    assert sidecar.last.query["mode"] == "create"


def test_update_begins_again_when_others_write(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.extend(
        [
            MISSING,
            refusal(409, "already_exists"),
            Scripted(body=b"7", headers={"ETag": '"r1"'}),
            refusal(412, "precondition_failed"),
            Scripted(body=b"8", headers={"ETag": '"r2"'}),
        ]
    )

    assert variables.update("k", lambda n: n + 1, default=0) == 9


def test_listing_asks_for_one_page_after_the_other(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    entry = {"size": 1, "contentType": "", "revision": "1-00000000"}
    pages = [
        {"variables": [{**entry, "key": "a"}, {**entry, "key": "ä b"}], "next": "ä b"},
        {"variables": [{**entry, "key": "c"}]},
    ]
    sidecar.script.extend(Scripted(body=json.dumps(page).encode()) for page in pages)
    listed = variables.list(scope="workflow")
    assert len(sidecar.received) == 1

    assert [info.key for info in listed] == ["a", "ä b", "c"]
    assert sidecar.last.query["after"] == "ä b"
    assert int(sidecar.last.query["limit"]) > 100


# State


def test_state_that_was_never_set_is_the_default(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(Scripted(204))

    assert variables.get_state(default=[]) == []
    assert sidecar.last.query == {"aid": "a-1"}


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "store_error"), (503, "store_unavailable"), (404, "not_found"), (404, "unknown_action")],
)
def test_state_that_cannot_be_read_is_never_a_first_run(
    sidecar: StandInSidecar, variables: Variables, status: int, code: str
) -> None:
    """ST-06."""
    sidecar.script.append(refusal(status, code))

    with pytest.raises(SidecarError):
        variables.get_state(default=[])


@pytest.mark.parametrize("body", [b"", b"{"], ids=["empty", "cut"])
def test_state_that_is_no_json_is_an_error(
    sidecar: StandInSidecar, variables: Variables, body: bytes
) -> None:
    sidecar.script.append(Scripted(body=body))

    with pytest.raises(InvalidConversion, match="state"):
        variables.get_state()


def test_state_is_sent_as_json(sidecar: StandInSidecar, variables: Variables) -> None:
    variables.set_state(["ä"], ttl=60, if_match='"r1"')

    assert (sidecar.last.method, sidecar.last.path) == ("PUT", "/state")
    assert sidecar.last.body == '["ä"]'.encode()
    assert sidecar.last.query == {"aid": "a-1", "ttl": "60"}
    assert sidecar.last.headers["If-Match"] == '"r1"'


# Errors


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_key", InvalidInput),
        (400, "invalid_scope", InvalidInput),
        (404, "unknown_action", UnknownAction),
        (409, "already_exists", VariableExists),
        (412, "precondition_failed", PreconditionFailed),
        (413, "too_large", TooLarge),
        (422, "invalid_conversion", InvalidConversion),
        (503, "store_unavailable", StoreUnavailable),
        (507, "store_full", SidecarError),
    ],
)
def test_error_code_becomes_its_exception(
    sidecar: StandInSidecar,
    variables: Variables,
    status: int,
    code: str,
    kind: type[SidecarError],
) -> None:
    sidecar.script.append(refusal(status, code))

    with pytest.raises(SidecarError, match=f"because of {code}") as caught:
        variables.get("k", default=0)

    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status) == (code, status)


def test_store_that_is_away_says_when_to_try_again(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    answer = refusal(503, "store_unavailable")
    sidecar.script.append(Scripted(503, answer.body, {"Retry-After": "2"}))

    with pytest.raises(StoreUnavailable) as caught:
        variables.set("k", 1)

    assert caught.value.retry_after == 2


def test_error_that_is_no_json_is_shown_as_it_is(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(Scripted(502, b"Bad Gateway\n"))

    with pytest.raises(SidecarError, match="Bad Gateway") as caught:
        variables.get("k")

    assert caught.value.status == 502


def test_nobody_there_is_an_error_and_not_a_missing_variable() -> None:
    with stand_in_sidecar.running() as server:
        url = server.url
    variables = Variables("a-1", sidecar=Sidecar(url))

    with pytest.raises(SidecarUnreachable, match=f"sidecar at {url}"):
        variables.get("k", default=0)


def test_refused_upload_tells_the_sidecar_s_reason(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    answer = refusal(413, "too_large")
    sidecar.script.append(Scripted(413, answer.body, is_refused_unread=True))

    with pytest.raises(SidecarError) as caught:
        variables.set("k", io.BytesIO(bytes(20_000_000)))

    # When the connection is reset before the answer was read, it is lost with it.
    assert isinstance(caught.value, TooLarge | SidecarUnreachable)


@pytest.mark.parametrize("url", ["https://localhost", "localhost:8889", ""])
def test_odd_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a sidecar's address"):
        Sidecar(url)


# Connections


def test_connection_is_kept_between_calls(sidecar: StandInSidecar, variables: Variables) -> None:
    for _ in range(3):
        variables.set("k", 1)

    assert len({received.connection for received in sidecar.received}) == 1


def test_connection_that_went_stale_is_replaced(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.append(Scripted(is_last=True))
    variables.set("k", 1)

    variables.set("k", 2)

    assert [received.body for received in sidecar.received] == [b"1", b"2"]


def test_call_that_must_not_happen_twice_takes_a_fresh_connection(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    variables.set("k", 1)
    variables.create("k", 2)

    first, second = sidecar.received
    assert first.connection != second.connection


def test_threads_share_connections_without_mixing_answers(
    sidecar: StandInSidecar, variables: Variables
) -> None:
    sidecar.script.extend(Scripted(body=b"%d" % number) for number in range(200))
    got: list[int] = []

    def read() -> None:
        got.extend(variables.get("k", as_=int, required=True) for _ in range(25))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == list(range(200))
