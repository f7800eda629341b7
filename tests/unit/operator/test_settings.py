"""The operator's settings, from environment variables."""

from __future__ import annotations

import socket
from dataclasses import fields

import pytest

from varflow.errors import InvalidInput
from varflow_operator import settings
from varflow_operator.settings import OperatorSettings

NEEDED = {"VARFLOW_STORE": "s3://b/p", "VARFLOW_SIDECAR_IMAGE": "example.org/sidecar:1"}


def test_two_settings_are_enough() -> None:
    found = OperatorSettings.decode(NEEDED)

    assert (found.store, found.sidecar_image) == ("s3://b/p", "example.org/sidecar:1")
    assert found.pod_name == socket.gethostname()
    assert (found.metrics_port, found.lease_seconds, found.pending_seconds) == (9090, 15, 300.0)
    assert found.watch_namespaces == ()
    assert not found.generates_store_secret
    assert not found.accepts_unsafe_store


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_setting_that_is_needed_is_named(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name} is needed"):
        OperatorSettings.decode({**NEEDED, name: ""})


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("VARFLOW_WATCH_NAMESPACES", " a, b-c ,", "watch_namespaces", ("a", "b-c")),
        ("VARFLOW_STORE_SECRET_GENERATE", "True", "generates_store_secret", True),
        ("VARFLOW_STORE_SECRET_GENERATE", "no", "generates_store_secret", False),
        ("VARFLOW_ACCEPT_UNSAFE_STORE", "true", "accepts_unsafe_store", True),
        ("VARFLOW_STORE_SECRET", "s3.access", "store_secret", "s3.access"),
        ("VARFLOW_STORE_CREDENTIALS", "assume-role", "store_credentials", "assume-role"),
        ("VARFLOW_METRICS_PORT", "0", "metrics_port", 0),
        ("VARFLOW_LEASE_SECONDS", "2", "lease_seconds", 2),
        ("VARFLOW_PENDING_SECONDS", "0.5", "pending_seconds", 0.5),
        ("VARFLOW_SIDECAR_PULL_POLICY", "Never", "sidecar_pull_policy", "Never"),
        ("VARFLOW_SIDECAR_STORE", "s3://other", "sidecar_store", "s3://other"),
    ],
)
def test_text_becomes_a_value(name: str, text: str, field: str, value: object) -> None:
    assert getattr(OperatorSettings.decode({**NEEDED, name: text}), field) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("VARFLOW_WATCH_NAMESPACES", "a,B"),
        ("VARFLOW_STORE_SECRET_GENERATE", "perhaps"),
        ("VARFLOW_STORE_SECRET", "a/b"),
        ("VARFLOW_STORE_CREDENTIALS", "sts"),
        ("VARFLOW_METRICS_PORT", "65536"),
        ("VARFLOW_METRICS_PORT", "http"),
        ("VARFLOW_LEASE_SECONDS", "0"),
        ("VARFLOW_LEASE_SECONDS", "1.5"),
        ("VARFLOW_PENDING_SECONDS", "-1"),
        ("VARFLOW_PENDING_SECONDS", "nan"),
        ("VARFLOW_PENDING_SECONDS", "inf"),
        ("VARFLOW_SIDECAR_PULL_POLICY", "never"),
        ("VARFLOW_LOG_LEVEL", "loud"),
        ("VARFLOW_LOG_FORMAT", "xml"),
    ],
)
def test_wrong_text_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{name}="):
        OperatorSettings.decode({**NEEDED, name: text})


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        pytest.param("s3://b", "s3://b", id="nothing-to-take-away"),
        pytest.param("s3://b?createBucket=true", "s3://b", id="alone"),
        pytest.param(
            "s3://b/p?endpoint=http://s3:7070&createBucket=true&region=r",
            "s3://b/p?endpoint=http://s3:7070&region=r",
            id="among-others",
        ),
        pytest.param("file:///a/b", "file:///a/b", id="a-folder"),
    ],
)
def test_sidecars_make_no_buckets(store: str, expected: str) -> None:
    assert OperatorSettings.decode({**NEEDED, "VARFLOW_STORE": store}).sidecar_store == expected


def test_help_names_every_setting() -> None:
    text = settings.describe()

    assert [spec.metadata["env"] in text for spec in fields(OperatorSettings)] == [True] * len(
        fields(OperatorSettings)
    )
