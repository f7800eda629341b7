"""The requests of the s3 driver, one method each: blocking, in its own words and errors.

Paths become keys here and keys paths, answers become values, failures `StoreError`s
(`s3_errors`, which see for what each method may raise).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from varflow.errors import InvalidInput, StoreError
from varflow.variables.stores import s3_client, s3_keys
from varflow.variables.stores.base import ABSENT, Condition, Listed, Versioned
from varflow.variables.stores.s3_errors import NoBucket, translating
from varflow.variables.stores.s3_urls import Location
from varflow.variables.stores.upkeep import Unfinished

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing."""

    objects: list[Listed]
    token: str | None
    """What to ask for the next one with; None after the last."""


@dataclass(frozen=True, slots=True)
class UploadPage:
    """A part of a listing of uploads."""

    uploads: list[Unfinished]
    marker: tuple[str, str] | None
    """What to ask for the next one with; None after the last."""


class Stream:
    """An object's bytes on their way."""

    def __init__(self, body: Any, what: str, *, etag: str, size: int) -> None:
        self.etag: Final = etag
        self.size: Final = size
        """Of the whole object."""
        self._body: Final[Any] = body
        self._what: Final = what

    def read(self, size: int) -> bytes:
        """Return at most `size` more bytes; nothing after the last."""
        with translating(self._what):
            data: bytes = self._body.read(size)
            return data

    def close(self) -> None:
        """Give the connection up."""
        self._body.close()


class Bucket:
    """What is in a bucket below a prefix."""

    def __init__(
        self, location: Location, make_client: Callable[[], s3_client.Client], *, sees_all: bool
    ) -> None:
        self._location: Final = location
        self._sees_all: Final = sees_all
        self._make_client: Final = make_client
        self._client: s3_client.Client = None

    def open(self) -> None:
        """Connect, and make the bucket if it is to be made."""
        what = f"use the store {self._location.url}"
        with translating(what):
            self._client = self._make_client()
        if not self._sees_all:
            return  # the layout's marker, which everybody reads first, tells as much
        try:
            self._list(what, MaxKeys=1)
        except NoBucket:
            if not self._location.creates_bucket:
                raise
            self._create(what)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def shown(self, path: str) -> str:
        """Return what a person would look for."""
        return f"s3://{self._location.bucket}/{self._location.prefix}{s3_keys.key_of(path)}"

    # Whole objects

    def get(self, path: str) -> Versioned:
        """Return a record."""
        with self._reading(path):
            answer = self._client.get_object(**self._object(path))
            return Versioned(answer["Body"].read(), answer["ETag"])

    def put(self, path: str, data: bytes | bytearray, condition: Condition = None) -> str:
        """Write an object and return its ETag; one try, and what `Lost` means is left open."""
        conditions: dict[str, str] = {}
        if condition is ABSENT:
            conditions["IfNoneMatch"] = "*"
        elif isinstance(condition, str):
            conditions["IfMatch"] = condition
        # botocore makes a file of `bytes`, and before sending a file it asks the server whether it
        # may: a second round trip.
        body = data if isinstance(data, bytearray) else bytearray(data)
        with self._writing(path):
            answer = self._client.put_object(**self._object(path), Body=body, **conditions)
            etag: str = answer["ETag"]
            return etag

    def delete(self, path: str) -> None:
        """Remove an object, if it is there."""
        with self._writing(path):
            self._client.delete_object(**self._object(path))

    # Streams

    def stream(self, path: str, *, start: int, end: int | None, etag: str | None = None) -> Stream:
        """Return the bytes from `start` to before `end`, of the object with this ETag."""
        asked = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end else {}
        if etag is not None:
            asked["IfMatch"] = etag
        with self._reading(path):
            answer = self._client.get_object(**self._object(path), **asked)
            try:
                return self._stream(answer, path, start=start if "Range" in asked else None)
            except BaseException:
                answer["Body"].close()
                raise

    def _stream(self, answer: dict[str, Any], path: str, *, start: int | None) -> Stream:
        """Read the answer to a request for all, or from `start` on."""
        size = answer["ContentLength"]
        if start is not None:
            given = _CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
            if not given or int(given[1]) != start:
                raise StoreError(f"cannot read {self.shown(path)}: the server ignores ranges")
            size = int(given[2])
        what = f"read {self.shown(path)}"
        return Stream(answer["Body"], what, etag=answer["ETag"], size=size)

    def begin_upload(self, path: str) -> str:
        """Begin to write an object in parts, and return the upload's id."""
        with self._writing(path):
            answer = self._client.create_multipart_upload(**self._object(path))
            upload: str = answer["UploadId"]
            return upload

    def put_part(self, path: str, upload: str, number: int, data: bytearray) -> str:
        """Write one part and return its ETag."""
        with self._writing(path):
            answer = self._client.upload_part(
                **self._object(path), UploadId=upload, PartNumber=number, Body=data
            )
            etag: str = answer["ETag"]
            return etag

    def complete_upload(self, path: str, upload: str, etags: Sequence[str]) -> None:
        """Make the object of its parts."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        with self._writing(path):
            self._client.complete_multipart_upload(
                **self._object(path), UploadId=upload, MultipartUpload={"Parts": parts}
            )

    def abort_upload(self, path: str, upload: str) -> None:
        """Remove the parts."""
        with self._writing(path):
            self._client.abort_multipart_upload(**self._object(path), UploadId=upload)

    # Many

    def find_page(self, prefix: str, *, after: str = "", token: str | None = None) -> Page:
        """Return the objects below `prefix` that come after `after`, or after the page before."""
        given = {"Prefix": self._location.prefix + s3_keys.prefix_of(prefix)}
        if token is not None:
            given["ContinuationToken"] = token
        elif after:
            given["StartAfter"] = self._location.prefix + s3_keys.key_of(after)
        what = f"list s3://{self._location.bucket}/{given['Prefix']}"
        answer = self._list(what, **given)
        listed = map(self._find_listed, answer.get("Contents", ()))
        with translating(what):
            following = answer["NextContinuationToken"] if answer.get("IsTruncated") else None
        return Page([each for each in listed if each is not None], following)

    def find_uploads(self, prefix: str, *, marker: tuple[str, str]) -> UploadPage:
        """Return the uploads below `prefix` that come after `marker`, a key and an id."""
        given = {"Prefix": self._location.prefix + s3_keys.prefix_of(prefix)}
        if marker[0]:
            given |= {"KeyMarker": marker[0], "UploadIdMarker": marker[1]}
        with translating(f"list the uploads of s3://{self._location.bucket}/{given['Prefix']}"):
            answer = self._client.list_multipart_uploads(Bucket=self._location.bucket, **given)
        found = map(self._find_unfinished, answer.get("Uploads", ()))
        following = (answer.get("NextKeyMarker") or "", answer.get("NextUploadIdMarker") or "")
        is_more = answer.get("IsTruncated") and following[0]
        return UploadPage(
            [each for each in found if each is not None], following if is_more else None
        )

    def _find_unfinished(self, entry: dict[str, Any]) -> Unfinished | None:
        path = self._find_path(entry["Key"])
        if path is None:
            return None
        return Unfinished(path, entry["UploadId"], entry["Initiated"].timestamp())

    def _list(self, what: str, **given: Any) -> dict[str, Any]:
        with translating(what):
            answer: dict[str, Any] = self._client.list_objects_v2(
                **{"Bucket": self._location.bucket, "Prefix": self._location.prefix, **given}
            )
        if "Name" not in answer:
            raise StoreError(f"cannot {what}: what answers is no S3 server; check the endpoint")
        return answer

    def _find_listed(self, entry: dict[str, Any]) -> Listed | None:
        path = self._find_path(entry["Key"])
        if path is None:
            return None
        return Listed(path, entry["Size"], entry["LastModified"].timestamp())

    def _find_path(self, key: str) -> str | None:
        """Return the path whose object has this key; None when it is not ours."""
        if not key.startswith(self._location.prefix):
            return None
        return s3_keys.find_path(key.removeprefix(self._location.prefix))

    def _create(self, what: str) -> None:
        region = self._client.meta.region_name
        place: dict[str, Any] = {}
        if region != s3_client.DEFAULT_REGION:
            place["CreateBucketConfiguration"] = {"LocationConstraint": region}
        with translating(f"{what}: its bucket could not be made", is_write=True):
            self._client.create_bucket(Bucket=self._location.bucket, **place)

    def _object(self, path: str) -> dict[str, Any]:
        key = self._location.prefix + s3_keys.key_of(path)
        if len(key.encode()) > s3_keys.KEY_BYTES:
            raise InvalidInput(
                f"{self.shown(path)[:128]}… is longer than the {s3_keys.KEY_BYTES} bytes of a key"
                " in S3; use shorter names"
            )
        return {"Bucket": self._location.bucket, "Key": key}

    def _reading(self, path: str) -> AbstractContextManager[None]:
        return translating(f"read {self.shown(path)}")

    def _writing(self, path: str) -> AbstractContextManager[None]:
        return translating(f"write {self.shown(path)}", is_write=True)
