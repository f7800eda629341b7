"""What the URL of an S3 store says (stores/s3_urls.py)."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varflow.errors import InvalidInput
from varflow.variables.stores import s3_urls
from varflow.variables.stores.credentials import Credentials
from varflow.variables.stores.s3_urls import Location

LOCAL = "http://127.0.0.1:7070"


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("s3://bucket", Location(bucket="bucket")),
        ("S3://bucket/", Location(bucket="bucket")),
        ("s3://bucket/a/b", Location(bucket="bucket", prefix="a/b/")),
        ("s3://bucket/a/b/", Location(bucket="bucket", prefix="a/b/")),
        ("s3://bucket/a%20%3F%C3%A9", Location(bucket="bucket", prefix="a ?\u00e9/")),
        ("s3://bucket?region=eu-west-1", Location(bucket="bucket", region="eu-west-1")),
        (
            f"s3://bucket/a?endpoint={LOCAL}",
            Location(bucket="bucket", prefix="a/", endpoint=LOCAL, is_path_style=True),
        ),
        (
            f"s3://bucket?endpoint={LOCAL}/&pathStyle=false",
            Location(bucket="bucket", endpoint=LOCAL),
        ),
        (
            "s3://bucket?endpoint=https%3A%2F%2Fhost%2Fs3",
            Location(bucket="bucket", endpoint="https://host/s3", is_path_style=True),
        ),
        (
            "s3://bucket?endpoint=http://[::1]:7070",
            Location(bucket="bucket", endpoint="http://[::1]:7070", is_path_style=True),
        ),
        (
            "s3://bucket?createBucket=true&pathStyle=True",
            Location(bucket="bucket", is_path_style=True, creates_bucket=True),
        ),
    ],
)
def test_a_url_says_where_the_store_is(url: str, location: Location) -> None:
    assert s3_urls.parse(url) == location


names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1)
locations = st.builds(
    Location,
    bucket=st.sampled_from(["bucket", "my.bucket-2"]),
    prefix=st.lists(names.filter(lambda name: name not in {".", ".."}), max_size=3).map(
        lambda segments: "".join(f"{segment}/" for segment in segments)
    ),
    endpoint=st.sampled_from(["", LOCAL, "https://s3.example.com", "http://[::1]:7070/s3"]),
    region=st.sampled_from(["", "eu-west-1"]),
    is_path_style=st.booleans(),
    creates_bucket=st.booleans(),
)


@given(locations)
def test_the_url_of_a_store_opens_it_again_and_makes_no_bucket(location: Location) -> None:
    assert s3_urls.parse(location.url) == dataclasses.replace(location, creates_bucket=False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3:", "s3://bucket/prefix"),
        ("s3:bucket", "s3://bucket/prefix"),
        ("s3:///prefix", "'' is no name of a bucket"),
        ("s3://Bucket", "'Bucket' is no name of a bucket"),
        ("s3://ab", "3 to 63"),
        ("s3://bucket--x-s3", "S3 Express"),
        ("s3://bucket/a//b", "empty name"),
        ("s3://bucket/../b", "'..'"),
        ("s3://bucket/a%0Ab", "cannot be printed"),
        ("s3://bucket/" + "p" * 513, "longer than 512 bytes"),
        ("s3://bucket/a#b", "%23"),
        ("s3://bucket?endpont=x", "did you mean 'endpoint'?"),
        ("s3://bucket?path_style=true", "did you mean 'pathStyle'?"),
        ("s3://bucket?zone=1", "there are endpoint, region, pathStyle, createBucket"),
        ("s3://bucket?region=a&region=b", "'region' twice"),
        ("s3://bucket?region=eu west", "eu-west-1"),
        ("s3://bucket?pathStyle=yes", "true or false, not 'yes'"),
        ("s3://bucket?endpoint=localhost:7070", "http://host:port"),
        ("s3://bucket?endpoint=http://host:port", "http://host:port"),
        ("s3://bucket?endpoint=ftp://host", "http://host:port"),
        ("s3://bucket?endpoint=http://host%3Fa=b", "more than scheme, host, port and path"),
    ],
)
def test_any_other_url_is_refused_with_what_to_write(url: str, said: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        s3_urls.parse(url)
    assert said in raised.value.message


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAKEY:hunter2@bucket/prefix",
        "s3://AKIAKEY:hunter2/bucket",
        "s3://AKIAKEY:hunter2@host:7070/bucket?endpoint=http://host",
        "s3://bucket?endpoint=http://AKIAKEY:hunter2@host:7070",
        "s3://bucket?endpoint=AKIAKEY:hunter2@host",
        "s3://bucket?secretAccessKey=hunter2",
        "s3://bucket?region=AKIAKEY:hunter2",
        "s3:AKIAKEY:hunter2@bucket",
    ],
)
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        s3_urls.parse(url)
    assert "hunter2" not in raised.value.message
    assert "AKIAKEY" not in raised.value.message


def test_credentials_show_no_secret() -> None:
    credentials = Credentials(
        access_key_id="AKIAKEY", secret_access_key="hunter2", session_token="hunter3"
    )
    assert repr(credentials) == "Credentials(access_key_id='AKIAKEY')"
