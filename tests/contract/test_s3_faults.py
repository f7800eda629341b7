"""The s3 driver before a server that stumbles, lies dead, or loses answers.

Each test says what the requests come to and how many there were: trying again has its price, too.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import cast

import pytest
import pytest_asyncio

from tests.support import faulty_s3, s3, stores
from tests.support.cluster.s3_servers import S3Server
from tests.support.faulty_s3 import Answer, Fault, FaultyS3, Hanging, Late, Request, Send
from varflow.errors import (
    CorruptObject,
    InvalidInput,
    StoreError,
    StoreFull,
    StoreMissing,
    StoreReadOnly,
    StoreUnavailable,
)
from varflow.variables.stores import s3_urls
from varflow.variables.stores.base import ABSENT, CHUNK_BYTES, Condition, Conflict, ObjectStore
from varflow.variables.stores.s3 import S3Store

READ_SECONDS = 2.0
"""Short, so that hanging costs little."""
BIG = bytes(range(256)) * (5 * CHUNK_BYTES // 512)
PART = 8 * 1024 * 1024
PARTS = b"a" * PART + b"b" * PART + b"c"


@pytest.fixture(scope="module")
def moto_bucket() -> Iterator[tuple[S3Server, str]]:
    with s3.moto() as server:
        yield server, s3.make_bucket(server)


@pytest.fixture
def proxy(moto_bucket: tuple[S3Server, str]) -> Iterator[FaultyS3]:
    with FaultyS3(moto_bucket[0]) as proxy:
        yield proxy
        assert proxy.faults_left() == 0


@pytest.fixture
def place(proxy: FaultyS3, moto_bucket: tuple[S3Server, str]) -> s3.Place:
    return s3.make_place(proxy.server, moto_bucket[1])


@pytest_asyncio.fixture
async def store(place: s3.Place, proxy: FaultyS3) -> AsyncIterator[S3Store]:
    store = S3Store(
        s3_urls.parse(place.url), s3.credentials_of(place.server), read_seconds=READ_SECONDS
    )
    await store.open()
    proxy.take()
    yield store
    await store.close()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.end()


@pytest_asyncio.fixture
async def elsewhere(place: s3.Place, moto_bucket: tuple[S3Server, str]) -> AsyncIterator[S3Store]:
    """The same objects, by a way without faults."""
    server = moto_bucket[0]
    direct = s3.Place(server, place.bucket, place.prefix)
    store = S3Store(s3_urls.parse(direct.url), s3.credentials_of(server))
    await store.open()
    yield store
    await store.close()


def doing(store: ObjectStore, path: str, data: bytes) -> Callable[[], None]:
    """Return a write of somebody else's, for a thread of the proxy's."""
    loop = asyncio.get_running_loop()

    def write() -> None:
        asyncio.run_coroutine_threadsafe(store.put(path, data), loop).result(10)

    return write


BLIPS: dict[str, Fault] = {
    "an internal error": faulty_s3.answering(500, "InternalError"),
    "a gateway's error": faulty_s3.answering(502, "BadGateway"),
    "slow down": faulty_s3.answering(503, "SlowDown"),
    "too many requests": faulty_s3.answering(429, "TooManyRequests"),
    "a reset": faulty_s3.resetting(is_taken=False),
    "a cut body": faulty_s3.cutting(2),
}
blips = pytest.mark.parametrize("blip", [pytest.param(f, id=name) for name, f in BLIPS.items()])


# Reading


@blips
async def test_a_reader_does_not_notice_a_blip(
    store: S3Store, proxy: FaultyS3, blip: Fault
) -> None:
    await store.put("r", b"value")
    proxy.take()
    proxy.fail("GET", blip)
    assert await stores.data_of(store, "r") == b"value"
    assert proxy.take() == ["GET", "GET"]


@blips
async def test_a_server_that_stays_away_is_unavailable_after_three_tries(
    store: S3Store, proxy: FaultyS3, blip: Fault
) -> None:
    await store.put("r", b"value")
    proxy.take()
    proxy.fail("GET", blip, blip, blip)
    with pytest.raises(StoreUnavailable, match=r"cannot read s3://.*r!"):
        await store.get("r")
    assert proxy.take() == ["GET"] * 3


async def test_a_server_that_hangs_is_unavailable_in_time(
    store: S3Store, proxy: FaultyS3, hanging: Hanging
) -> None:
    proxy.fail("GET", hanging, hanging, hanging)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.get("r")
    assert time.monotonic() - began < 3 * READ_SECONDS + 2


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (404, "NoSuchBucket", StoreMissing, "createBucket=true"),
        (404, "NotFound", StoreError, "check the endpoint"),
        (403, "AccessDenied", StoreError, "s3:GetObject"),
        (403, "InvalidAccessKeyId", StoreError, "AWS_ACCESS_KEY_ID"),
        (404, "XAdminUserNotFound", StoreError, "AWS_ACCESS_KEY_ID"),
        (403, "RequestTimeTooSkewed", StoreError, "clock"),
        (301, "PermanentRedirect", StoreError, "region"),
        (400, "SomethingElse", StoreError, "SomethingElse: as told"),
    ],
)
async def test_no_failure_reads_as_absent(
    status: int, code: str, kind: type[StoreError], said: str, store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("GET", faulty_s3.answering(status, code))
    with pytest.raises(StoreError) as raised:
        await store.get("nothing/there")
    assert type(raised.value).code == kind.code
    assert said in raised.value.message
    assert proxy.take() == ["GET"]


async def test_a_session_that_has_ended_is_a_store_that_is_away(
    store: S3Store, proxy: FaultyS3
) -> None:
    await store.put("r", b"1")
    proxy.take()
    for _ in range(3):
        proxy.fail("GET", faulty_s3.answering(400, "ExpiredToken"))

    with pytest.raises(StoreUnavailable, match="the session token has ended"):
        await store.get("r")
    assert await stores.data_of(store, "r") == b"1"


def bare(_request: Request, _send: Send) -> Answer:
    """What a page before the network says, or a server that speaks something else."""
    return Answer(200, [], b"<html>")


async def test_an_answer_that_is_not_s3s_is_a_store_that_is_away(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("GET", *[bare] * 6)
    with pytest.raises(StoreUnavailable, match="ETag"):
        await store.get("r")
    with pytest.raises(StoreUnavailable, match="ETag"):
        await stores.body_of(store, "b")


async def test_a_write_with_an_answer_that_is_not_s3s_is_sent_again(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PUT", bare)
    await store.put("r", b"1", condition=ABSENT)
    assert proxy.take() == ["PUT", "GET", "PUT"]


async def test_a_listing_that_cannot_go_on_is_an_error(store: S3Store, proxy: FaultyS3) -> None:
    def cut(request: Request, send: Send) -> Answer:
        answer = send(request)
        body = answer.body.replace(b"<IsTruncated>false", b"<IsTruncated>true")
        return Answer(answer.status, answer.headers, body)

    await store.put("r", b"1")
    proxy.fail("GET list-type", cut, cut, cut)
    with pytest.raises(StoreUnavailable, match="NextContinuationToken"):
        await stores.paths_in(store)


@pytest.mark.parametrize("size", [0, 2, 60])
async def test_an_error_that_is_cut_is_asked_for_again(
    size: int, store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("GET", faulty_s3.cutting(size))
    assert await store.get("nothing/there") is None
    assert proxy.take() == ["GET", "GET"]


# Writing


LOST: dict[str, Callable[..., Fault]] = {
    "reset": faulty_s3.resetting,
    "internal error": functools.partial(faulty_s3.answering, 500, "InternalError"),
    "unavailable": functools.partial(faulty_s3.answering, 503, "ServiceUnavailable"),
    "slow down": functools.partial(faulty_s3.answering, 503, "SlowDown"),
}
lost = pytest.mark.parametrize("lost", [pytest.param(f, id=name) for name, f in LOST.items()])
conditions = pytest.mark.parametrize("is_new", [True, False], ids=["creating", "replacing"])


async def condition_of(store: ObjectStore, *, is_new: bool) -> Condition:
    return ABSENT if is_new else await store.put("r", b"old")


@lost
@conditions
async def test_a_write_whose_answer_was_lost_is_found_to_be_done(
    lost: Callable[..., Fault], is_new: bool, store: S3Store, proxy: FaultyS3
) -> None:
    condition = await condition_of(store, is_new=is_new)
    proxy.take()
    proxy.fail("PUT", lost(is_taken=True))
    etag = await store.put("r", b"new", condition=condition)
    assert proxy.take() == ["PUT", "GET"]
    found = await store.get("r")
    assert found
    assert (found.data, found.etag) == (b"new", etag)


@lost
@conditions
async def test_a_write_that_was_lost_on_its_way_is_sent_again(
    lost: Callable[..., Fault], is_new: bool, store: S3Store, proxy: FaultyS3
) -> None:
    condition = await condition_of(store, is_new=is_new)
    proxy.take()
    proxy.fail("PUT", lost(is_taken=False))
    await store.put("r", b"new", condition=condition)
    assert proxy.take() == ["PUT", "GET", "PUT"]
    assert await stores.data_of(store, "r") == b"new"


async def test_a_write_that_hung_but_was_taken_is_found_to_be_done(
    store: S3Store, proxy: FaultyS3, hanging: Hanging
) -> None:
    def taken_but_silent(request: faulty_s3.Request, send: faulty_s3.Send) -> None:
        send(request)
        hanging(request, send)

    proxy.fail("PUT", taken_but_silent)
    await store.put("r", b"new", condition=ABSENT)
    assert await stores.data_of(store, "r") == b"new"


@conditions
async def test_a_write_that_arrives_late_is_known_as_our_own(
    is_new: bool, store: S3Store, proxy: FaultyS3
) -> None:
    """The second try meets the first one's effect: 412, and yet no conflict."""
    condition = await condition_of(store, is_new=is_new)
    proxy.take()
    late = Late()
    proxy.fail("PUT", late, faulty_s3.after(late.catch_up))
    await store.put("r", b"new", condition=condition)
    assert proxy.take() == ["PUT", "GET", "PUT", "GET"]
    assert await stores.data_of(store, "r") == b"new"


@pytest.mark.parametrize("is_taken", [True, False])
@conditions
async def test_a_lost_write_that_somebody_wrote_over_is_unknown_not_a_conflict(
    is_new: bool, is_taken: bool, store: S3Store, elsewhere: S3Store, proxy: FaultyS3
) -> None:
    condition = await condition_of(store, is_new=is_new)
    write_over = doing(elsewhere, "r", b"somebody else's")
    proxy.fail("PUT", faulty_s3.resetting(is_taken=is_taken))
    proxy.fail("GET", faulty_s3.after(write_over))
    with pytest.raises(StoreUnavailable, match="not known"):
        await store.put("r", b"new", condition=condition)
    assert await stores.data_of(store, "r") == b"somebody else's"


async def test_a_conflict_without_a_lost_answer_costs_one_request(
    store: S3Store, proxy: FaultyS3
) -> None:
    await store.put("r", b"1")
    proxy.take()
    with pytest.raises(Conflict):
        await store.put("r", b"2", condition=ABSENT)
    assert proxy.take() == ["PUT"]


@pytest.mark.parametrize(
    ("status", "code"), [(404, "NoSuchKey"), (412, "PreconditionFailed"), (412, "SomethingElse")]
)
async def test_every_servers_word_for_a_record_that_is_gone_is_a_conflict(
    status: int, code: str, store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PUT", faulty_s3.answering(status, code))
    with pytest.raises(Conflict):
        await store.put("r", b"2", condition='"an-etag"')


async def test_a_writer_whom_the_server_asks_to_come_back_does(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PUT", faulty_s3.answering(409, "ConditionalRequestConflict"))
    await store.put("r", b"1", condition=ABSENT)
    assert proxy.take() == ["PUT", "PUT"]


async def test_a_writer_who_comes_back_too_late_meets_a_conflict(
    store: S3Store, elsewhere: S3Store, proxy: FaultyS3
) -> None:
    busy = faulty_s3.answering(409, "ConditionalRequestConflict")
    proxy.fail("PUT", faulty_s3.after(doing(elsewhere, "r", b"first"), busy))
    with pytest.raises(Conflict):
        await store.put("r", b"second", condition=ABSENT)
    assert await stores.data_of(store, "r") == b"first"


@pytest.mark.parametrize(("kind", "times"), [("PUT", 2), ("GET", 1)])
@conditions
async def test_a_lost_write_about_which_the_server_then_says_nothing_is_unknown(
    is_new: bool, kind: str, times: int, store: S3Store, proxy: FaultyS3
) -> None:
    condition = await condition_of(store, is_new=is_new)
    late = Late()
    proxy.fail("PUT", late)
    proxy.fail(kind, *[faulty_s3.answering(403, "AccessDenied")] * times)
    with pytest.raises(StoreUnavailable, match="not known"):
        await store.put("r", b"new", condition=condition)
    late.catch_up()
    assert await stores.data_of(store, "r") == b"new"


@conditions
@pytest.mark.parametrize(
    ("status", "code"), [(429, "TooManyRequests"), (409, "ConditionalRequestConflict")]
)
async def test_a_write_that_was_refused_but_stored_is_known_as_our_own(
    status: int, code: str, is_new: bool, store: S3Store, proxy: FaultyS3
) -> None:
    condition = await condition_of(store, is_new=is_new)
    proxy.take()
    proxy.fail("PUT", faulty_s3.answering(status, code, is_taken=True))
    etag = await store.put("r", b"new", condition=condition)
    assert proxy.take() == ["PUT", "PUT", "GET"]
    found = await store.get("r")
    assert found
    assert (found.data, found.etag) == (b"new", etag)


async def test_a_write_without_a_condition_is_not_sent_again(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PUT", faulty_s3.resetting(is_taken=False))
    with pytest.raises(StoreUnavailable):
        await store.put("r", b"1")
    assert proxy.take() == ["PUT", "GET"]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", StoreReadOnly),
        (403, "SignatureDoesNotMatch", StoreError),
        (507, "InsufficientStorage", StoreFull),
        (507, "XMinioStorageFull", StoreFull),
        (403, "QuotaExceeded", StoreFull),
        (501, "NotImplemented", StoreError),
        (404, "NoSuchBucket", StoreMissing),
    ],
)
async def test_a_write_that_was_refused_says_why(
    status: int, code: str, kind: type[StoreError], store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PUT", faulty_s3.answering(status, code))
    with pytest.raises(StoreError, match=rf"cannot write s3://.*: {code}: as told; ") as raised:
        await store.put("r", b"1", condition=ABSENT)
    assert type(raised.value).code == kind.code
    assert proxy.take() == ["PUT"]


async def test_a_removal_is_repeated_after_a_blip(store: S3Store, proxy: FaultyS3) -> None:
    await store.put("r", b"1")
    proxy.take()
    proxy.fail("DELETE", faulty_s3.resetting(is_taken=True), faulty_s3.answering(500, "Internal"))
    await store.delete("r")
    assert proxy.take() == ["DELETE"] * 3
    assert await store.get("r") is None


# Bodies


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(BIG) - 3])
async def test_a_body_that_is_cut_is_taken_up_again(
    size: int, store: S3Store, proxy: FaultyS3
) -> None:
    await store.write_body("b", stores.chunks_of(BIG))
    proxy.take()
    proxy.fail("GET", faulty_s3.cutting(size), BLIPS["slow down"])
    assert await stores.body_of(store, "b", start=1, length=len(BIG) - 2) == BIG[1:-1]
    assert proxy.take() == ["GET"] * 3


async def test_a_body_may_be_cut_often_if_it_goes_on_between(
    store: S3Store, proxy: FaultyS3
) -> None:
    await store.write_body("b", stores.chunks_of(BIG * 4))
    proxy.fail("GET", *[faulty_s3.cutting(CHUNK_BYTES + 5)] * 8)
    assert await stores.body_of(store, "b") == BIG * 4


async def test_a_body_that_stays_cut_is_unavailable(store: S3Store, proxy: FaultyS3) -> None:
    await store.write_body("b", stores.chunks_of(BIG))
    proxy.fail("GET", *[faulty_s3.cutting(10)] * 3)
    with pytest.raises(StoreUnavailable):
        await stores.body_of(store, "b")


async def test_a_body_that_was_replaced_while_it_was_cut_is_never_mixed(
    store: S3Store, elsewhere: S3Store, proxy: FaultyS3
) -> None:
    await store.write_body("b", stores.chunks_of(BIG))
    replace = doing(elsewhere, "b", BIG[::-1])
    proxy.fail("GET", faulty_s3.cutting(CHUNK_BYTES), faulty_s3.after(replace))
    with pytest.raises(CorruptObject, match="replaced"):
        await stores.body_of(store, "b")


async def test_a_reader_may_stop_while_a_body_is_taken_up_again(
    store: S3Store, proxy: FaultyS3, hanging: Hanging
) -> None:
    await store.write_body("b", stores.chunks_of(BIG))
    proxy.fail("GET", faulty_s3.cutting(CHUNK_BYTES), hanging)
    stream = store.read_body("b")
    await anext(stream)
    assert await asyncio.to_thread(hanging.has_begun.wait, 10)
    closing = asyncio.ensure_future(cast("AsyncGenerator[bytes, None]", stream).aclose())
    await asyncio.sleep(0)

    assert not closing.done()
    hanging.end()
    await closing


@blips
async def test_a_small_body_is_sent_again_after_a_blip(
    blip: Fault, store: S3Store, proxy: FaultyS3
) -> None:
    if blip is not BLIPS["a cut body"]:
        proxy.fail("PUT", blip)
    assert await store.write_body("b", stores.chunks_of(BIG)) == len(BIG)
    assert await stores.body_of(store, "b") == BIG


async def test_a_body_goes_in_parts_that_are_each_sent_again_after_a_blip(
    store: S3Store, place: s3.Place, proxy: FaultyS3
) -> None:
    proxy.fail("POST uploads", BLIPS["slow down"])
    proxy.fail("PUT partNumber", BLIPS["a reset"], BLIPS["an internal error"])
    proxy.fail("POST uploadId", BLIPS["slow down"])
    assert await store.write_body("b", stores.chunks_of(PARTS)) == len(PARTS)
    assert sorted(proxy.take()) == sorted(
        ["POST uploads"] * 2 + ["PUT partNumber"] * 5 + ["POST uploadId"] * 2
    )
    assert await stores.body_of(store, "b") == PARTS
    assert place.uploads() == []


async def test_a_body_whose_completion_lost_its_answer_is_there(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("POST uploadId", faulty_s3.resetting(is_taken=True))
    assert await store.write_body("b", stores.chunks_of(PARTS)) == len(PARTS)
    assert await stores.body_of(store, "b") == PARTS


async def test_a_server_may_take_its_time_to_put_parts_together(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("POST uploadId", faulty_s3.after(lambda: time.sleep(3 * READ_SECONDS)))
    await store.write_body("b", stores.chunks_of(PARTS))
    assert proxy.take().count("POST uploadId") == 1


@pytest.mark.parametrize("kind", ["POST uploads", "PUT partNumber", "POST uploadId"])
async def test_a_body_that_cannot_be_written_leaves_nothing(
    kind: str, store: S3Store, place: s3.Place, proxy: FaultyS3
) -> None:
    proxy.fail(kind, faulty_s3.answering(507, "InsufficientStorage"))
    with pytest.raises(StoreFull):
        await store.write_body("b", stores.chunks_of(PARTS))
    assert await stores.paths_in(store) == []
    assert place.uploads() == []


async def test_a_small_body_whose_answers_are_all_lost_leaves_nothing(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PUT", *[faulty_s3.resetting(is_taken=True)] * 3)
    with pytest.raises(StoreUnavailable):
        await store.write_body("b", stores.chunks_of(b"small"))
    assert await stores.paths_in(store) == []


async def test_a_failed_body_whose_remains_cannot_be_removed_says_so(
    store: S3Store, proxy: FaultyS3
) -> None:
    error = ValueError("the client went away")
    proxy.fail("DELETE uploadId", *[BLIPS["an internal error"]] * 3)
    with pytest.raises(ValueError, match="went away") as raised:
        await store.write_body("b", stores.failing_after(PARTS, error=error))
    assert raised.value is error
    assert "something may be left" in raised.value.__notes__[0]


@pytest.mark.parametrize("kind", ["PUT partNumber", "POST uploadId"])
async def test_a_body_cancelled_while_the_server_hangs_leaves_nothing(
    kind: str, store: S3Store, place: s3.Place, proxy: FaultyS3, hanging: Hanging
) -> None:
    proxy.fail(kind, hanging)
    writing = asyncio.create_task(store.write_body("b", stores.chunks_of(PARTS)))
    await asyncio.to_thread(hanging.has_begun.wait, 10)
    writing.cancel()
    if kind == "POST uploadId":  # which may be silent for long
        hanging.end()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await stores.paths_in(store) == []
    assert place.uploads() == []


# Listing


async def test_a_listing_goes_from_page_to_page_over_blips(store: S3Store, proxy: FaultyS3) -> None:
    paths = [f"n/{number:02}" for number in range(7)]
    await asyncio.gather(*(store.put(path, b"") for path in paths))
    page = faulty_s3.paging(2)
    proxy.take()
    proxy.fail("GET list-type", page, BLIPS["slow down"], page, BLIPS["a reset"], page, page)
    assert await stores.paths_in(store, "n/") == paths
    assert proxy.take() == ["GET list-type"] * 6


async def test_strangers_objects_are_not_listed(store: S3Store, place: s3.Place) -> None:
    await store.put("n/a", b"1")
    client = place.client()
    client.put_object(Bucket=place.bucket, Key=f"{place.prefix}/n/b", Body=b"")
    client.put_object(Bucket=place.bucket, Key=f"{place.prefix}-2/n/c!", Body=b"")
    client.close()
    assert await stores.paths_in(store) == ["n/a"]


# Opening


async def test_a_bucket_that_is_not_there_is_named(place: s3.Place) -> None:
    store = s3.Place(place.server, "no-such-bucket", "p").make_store()
    with pytest.raises(StoreError, match=r"s3://no-such-bucket/p.*createBucket=true"):
        await store.open()


async def test_a_bucket_is_made_when_that_is_asked_for(place: s3.Place) -> None:
    url = place.url.replace(place.bucket, "made-by-us") + "&createBucket=true"
    for _ in range(2):
        store = S3Store(s3_urls.parse(url), s3.credentials_of(place.server))
        await store.open()
        await store.put("r", b"1")
        await store.close()


async def test_a_server_that_is_not_there_is_unavailable(place: s3.Place, proxy: FaultyS3) -> None:
    store = s3.Place(S3Server("http://127.0.0.1:9", "k", "s"), "bucket", "p").make_store()
    with pytest.raises(StoreUnavailable, match=r"cannot use the store s3://bucket/p\?endpoint="):
        await store.open()


@pytest.mark.parametrize("text", [b"<html></html>", b"<html><p>Welcome!</html>", b"", b"hello"])
async def test_a_server_that_does_not_speak_s3_is_an_error(
    text: bytes, place: s3.Place, proxy: FaultyS3
) -> None:
    page = faulty_s3.Answer(200, [("Content-Type", "text/html")], text)
    proxy.fail("GET list-type", lambda request, send: page)
    with pytest.raises(StoreError, match="cannot use the store"):
        await place.make_store().open()


async def test_a_store_without_credentials_says_how_to_give_them(
    place: s3.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = S3Store(s3_urls.parse(place.url))
    with pytest.raises(StoreError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        await store.open()


async def test_the_environments_credentials_are_used(
    place: s3.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", place.server.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", place.server.secret_access_key)
    store = S3Store(s3_urls.parse(place.url))
    await store.open()
    await store.put("r", b"1")
    await store.close()


async def test_wrong_credentials_are_an_error_without_the_secret(s3_server: S3Server) -> None:
    server = S3Server(s3_server.endpoint, s3_server.access_key_id, "hunter2")
    with pytest.raises(StoreError, match="SignatureDoesNotMatch") as raised:
        await s3.Place(server, "bucket", "p").make_store().open()
    assert "hunter2" not in raised.value.message


async def test_a_path_longer_than_a_key_may_be_is_refused(store: S3Store) -> None:
    with pytest.raises(InvalidInput, match="1024 bytes"):
        await store.put("/".join(["k" * 253] * 4), b"1")
