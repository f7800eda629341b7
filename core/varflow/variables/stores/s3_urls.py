"""The URL of an S3 store. PURE.

    s3://bucket[/prefix][?endpoint=https://host:port&region=eu-west-1&pathStyle=true&createBucket=true]

`endpoint` names any server that speaks S3; without one it is AWS, or what the usual environment
variables say. `pathStyle` puts the bucket into the path instead of the host name, which is the
default for an endpoint: few servers but AWS have a host name for each bucket. `createBucket` makes
the bucket when it is not there.

Keys and passwords do not belong into a URL, which ends up in logs, manifests and process lists;
one that seems to hold some is refused, and not repeated in the message.
"""

from __future__ import annotations

import difflib
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from varflow.errors import InvalidInput

FORM: Final = "s3://bucket/prefix"

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_NAMES: Final = ("endpoint", "region", "pathStyle", "createBucket", "history")
_REGION: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_TRUTH: Final = {"true": True, "false": False}
_PREFIX_BYTES: Final = 512
"""Longest prefix; half a key's length is left for the paths below it."""
_UNLISTABLE: Final = "--x-s3"
"""What the names of S3 Express buckets end in, whose listings have no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where an S3 store is, as its URL says."""

    bucket: str
    prefix: str = ""
    """Before every key; empty, or ending in `/`."""
    endpoint: str = ""
    region: str = ""
    is_path_style: bool = False
    creates_bucket: bool = False
    history: str = ""
    """As given: what it means stands in `opening`."""

    @property
    def url(self) -> str:
        """The URL of this store, now that its bucket is there."""
        query = {"endpoint": self.endpoint, "region": self.region}
        if self.is_path_style != bool(self.endpoint):
            query["pathStyle"] = str(self.is_path_style).lower()
        query["history"] = self.history
        given = {name: value for name, value in query.items() if value}
        prefix = urllib.parse.quote("/" + self.prefix.removesuffix("/")) if self.prefix else ""
        return f"s3://{self.bucket}{prefix}{'?' if given else ''}" + urllib.parse.urlencode(
            given, safe="/:[]"
        )


def parse(url: str) -> Location:
    """Return what `url` says.

    Raises:
        InvalidInput: it is no URL of an S3 store; the message shows no value that may be secret.
    """
    rest, _, query = url.partition(":")[2].partition("?")
    slashes, host = rest[:2], rest[2:]
    if slashes != "//" or "@" in host.partition("/")[0] or "#" in url:
        raise InvalidInput(_unreadable(host, has_slashes=slashes == "//"))
    bucket, _, prefix = host.partition("/")
    given = _parse_query(query)
    endpoint = _check_endpoint(given.get("endpoint", ""))
    return Location(
        bucket=_check_bucket(bucket),
        prefix=_check_prefix(urllib.parse.unquote(prefix, errors="replace")),
        endpoint=endpoint,
        region=_check_region(given.get("region", "")),
        is_path_style=_truth(given, "pathStyle", default=bool(endpoint)),
        creates_bucket=_truth(given, "createBucket", default=False),
        history=given.get("history", ""),
    )


def _unreadable(host: str, *, has_slashes: bool) -> str:
    if has_slashes and "@" in host.partition("/")[0]:
        return (
            "the store's URL has '@' before the bucket; credentials do not belong there, give"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        )
    return f"the store's URL is not of the form {FORM}; in a prefix write %23 for '#'"


def _parse_query(query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        if name not in _NAMES:
            near = difflib.get_close_matches(name, _NAMES, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(_NAMES)}"
            raise InvalidInput(f"the store's URL has {name[:32]!r} behind its '?'{hint}")
        if name in given:
            raise InvalidInput(f"the store's URL has {name!r} twice")
        given[name] = value
    return given


def _check_bucket(bucket: str) -> str:
    if not _BUCKET.fullmatch(bucket):
        # A ':' may separate an access key from its secret.
        shown = "what follows s3://" if ":" in bucket else repr(bucket[:64])
        raise InvalidInput(
            f"{shown} is no name of a bucket: 3 to 63 lower-case letters, digits, '.' and '-';"
            f" write {FORM}"
        )
    if bucket.endswith(_UNLISTABLE):
        raise InvalidInput(
            f"{bucket!r} is an S3 Express bucket, which lists in no order; use one of S3 Standard"
        )
    return bucket


def _check_prefix(prefix: str) -> str:
    prefix = prefix.removesuffix("/")
    if not prefix:
        return ""
    names = prefix.split("/")
    if any(name in {"", ".", ".."} or not name.isprintable() for name in names):
        raise InvalidInput(
            f"the store's prefix {prefix[:64]!r} has an empty name, '.', '..' or characters that"
            " cannot be printed"
        )
    if len(prefix.encode()) > _PREFIX_BYTES:
        raise InvalidInput(f"the store's prefix is longer than {_PREFIX_BYTES} bytes")
    return prefix + "/"


def _check_endpoint(endpoint: str) -> str:
    if not endpoint:
        return ""
    try:
        parts = urllib.parse.urlsplit(endpoint)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an address that is none
        parts, has_place = urllib.parse.urlsplit(""), False
    if not has_place or parts.scheme not in {"http", "https"}:
        raise InvalidInput("the store's endpoint is not of the form http://host:port or https://…")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidInput(
            "the store's endpoint has more than scheme, host, port and path; credentials do not"
            " belong there, give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        )
    return endpoint.rstrip("/")


def _check_region(region: str) -> str:
    if region and not _REGION.fullmatch(region):
        raise InvalidInput("the store's region is no name such as eu-west-1")
    return region


def _truth(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = given.get(name)
    if text is None:
        return default
    if text.lower() not in _TRUTH:
        raise InvalidInput(f"{name} in the store's URL is true or false, not {text[:16]!r}")
    return _TRUTH[text.lower()]
