"""What limited credentials are good for, how long, and where they are asked for."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import pytest

from varflow.errors import InvalidInput
from varflow.variables import paths
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.stores import s3_keys, s3_urls
from varflow.variables.stores.credentials import Credentials, LentCredentials
from varflow_operator import names
from varflow_operator.lending import opening, policies, secrets, terms
from varflow_operator.lending.minting import Desk
from varflow_operator.settings import OperatorSettings

KEY = Credentials(access_key_id="id", secret_access_key="secret", session_token="token")
LENT = LentCredentials(credentials=KEY, expires_at=1_800_000_000.0)
ONE = Owners("cluster", "one", "workflow", "instance")
MINIO = s3_urls.parse("s3://bucket/a/prefix?endpoint=http://minio:9000")


def statements(location: s3_urls.Location = MINIO, **given: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(policies.write(location, ONE, **given))["Statement"]
    return found


def allows(action: str, path: str) -> bool:
    """Tell whether the policy lets somebody do it to the object at a path."""
    resource = f"arn:aws:s3:::bucket/a/prefix/{s3_keys.key_of(path)}"
    return any(
        action in it["Action"] and fnmatch.fnmatchcase(resource, it["Resource"])
        for it in statements()
    )


def allows_listing(prefix: str) -> bool:
    """Tell whether the policy lets somebody list what begins so."""
    (pattern,) = [
        it["Condition"]["StringLike"]["s3:prefix"]
        for it in statements()
        if "s3:ListBucket" in it["Action"]
    ]
    return fnmatch.fnmatchcase(f"a/prefix/{s3_keys.prefix_of(prefix)}", pattern)


OWN = {
    "namespace-variable": paths.variable(Address(ONE, Scope.NAMESPACE, "my notes.txt")),
    "workflow-variable": paths.variable(Address(ONE, Scope.WORKFLOW, "k")),
    "instance-variable": paths.variable(Address(ONE, Scope.INSTANCE, "~%")),
    "body": f"{paths.namespace_prefix(ONE)}bodies/1",
}
OTHERS = {
    "other-namespace": paths.namespace_prefix(Owners("cluster", "two", "", "")) + "n/k",
    "longer-namespace": paths.namespace_prefix(Owners("cluster", "one-more", "", "")) + "n/k",
    "other-cluster": paths.namespace_prefix(Owners("another", "one", "", "")) + "n/k",
    "probes": f"{paths.PROBES}1/2/3",
}
ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")


@pytest.mark.parametrize("path", OWN.values(), ids=OWN)
@pytest.mark.parametrize("action", ACTIONS)
def test_everything_is_allowed_in_the_own_namespace(action: str, path: str) -> None:
    assert allows(action, path)


@pytest.mark.parametrize("path", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_is_allowed_elsewhere(action: str, path: str) -> None:
    assert not allows(action, path)


def test_the_layouts_marker_is_read_and_not_written() -> None:
    assert [allows(action, paths.MARKER) for action in ACTIONS] == [True, False, False, False]


@pytest.mark.parametrize(
    ("prefix", "is_allowed"),
    [
        (paths.namespace_prefix(ONE), True),
        (paths.scope_prefix(ONE, Scope.WORKFLOW), True),
        ("", False),
        ("v1/", False),
        ("v1/cluster/one", False),
        (paths.namespace_prefix(Owners("cluster", "one-more", "", "")), False),
    ],
)
def test_listings_are_of_the_own_namespace(prefix: str, is_allowed: bool) -> None:
    assert allows_listing(prefix) is is_allowed


def test_a_server_that_is_not_aws_hears_nothing_of_keys() -> None:
    aws = statements(s3_urls.parse("s3://bucket?region=eu-west-1"))

    assert not any("kms:Decrypt" in it["Action"] for it in statements())
    assert [it["Condition"] for it in aws if "kms:Decrypt" in it["Action"]] == [
        {"StringLike": {"kms:ViaService": "s3.*"}}
    ]


@pytest.mark.parametrize(
    ("role", "partition"),
    [
        ("", "aws"),
        ("arn:aws:iam::123456789012:role/varflow", "aws"),
        ("arn:aws-cn:iam::123456789012:role/varflow", "aws-cn"),
        ("arn:minio:iam:::role/varflow", "aws"),
    ],
)
def test_resources_are_in_the_roles_partition(role: str, partition: str) -> None:
    desk = Desk(endpoint="", region="", role=role, credentials=None)
    found = statements(partition=desk.partition)

    assert all(it["Resource"].startswith(f"arn:{partition}:s3:::bucket") for it in found)


@pytest.mark.parametrize("prefix", ["a*", "a%3Fb", "${aws:username}"])
def test_a_prefix_that_a_policy_would_misread_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidInput, match="prefix"):
        policies.write(s3_urls.parse(f"s3://bucket/{prefix}"), ONE)


def test_a_policy_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidInput, match="2048"):
        policies.write(s3_urls.parse(f"s3://bucket/{'x' * 500}"), ONE)


# Time


def test_credentials_are_renewed_at_half_their_life() -> None:
    assert terms.due_at(LENT) == LENT.expires_at - 1800


def test_credentials_are_of_use_until_shortly_before_their_end() -> None:
    assert terms.is_of_use(LENT, now=LENT.expires_at - 121)
    assert not terms.is_of_use(LENT, now=LENT.expires_at - 120)


# The Secret


def test_a_secret_gives_back_what_was_written() -> None:
    assert secrets.find(secrets.write("team", LENT, mark="m"), mark="m") == LENT


def test_a_secret_of_other_limits_is_none() -> None:
    assert secrets.find(secrets.write("team", LENT, mark="m"), mark="other") is None


@pytest.mark.parametrize("data", [None, {}, {names.CREDENTIALS_KEY: "e30="}])
def test_a_secret_that_somebody_has_spoilt_is_none(data: dict[str, str] | None) -> None:
    spoilt = {**secrets.write("team", LENT, mark="m"), "data": data}

    assert secrets.find(spoilt, mark="m") is None


def test_the_secret_is_not_for_functions() -> None:
    assert names.is_reserved_secret(names.STORE_SECRET)


# Where to ask


def desk(store: str, **given: Any) -> Desk | None:
    return opening.find_desk(OperatorSettings(store=store, **given), KEY)


@pytest.mark.parametrize(
    ("store", "given"),
    [
        pytest.param("s3://bucket?endpoint=http://s", {"store_credentials": "static"}, id="static"),
        pytest.param("file:///store", {}, id="no-s3"),
        pytest.param("s3://bucket?region=eu-west-1", {}, id="aws-without-a-role"),
    ],
)
def test_nobody_is_asked(store: str, given: dict[str, str]) -> None:
    assert desk(store, **given) is None


@pytest.mark.parametrize(
    ("store", "given", "endpoint"),
    [
        pytest.param("s3://bucket?endpoint=http://s", {}, "http://s", id="at-the-store"),
        pytest.param(
            "s3://bucket?endpoint=http://s",
            {"sts_endpoint": "http://t"},
            "http://t",
            id="elsewhere",
        ),
        pytest.param("s3://bucket", {"store_role": "arn:aws:iam::1:role/r"}, "", id="aws"),
    ],
)
def test_somebody_is_asked(store: str, given: dict[str, str], endpoint: str) -> None:
    found = desk(store, **given)

    assert found is not None
    assert (found.endpoint, found.role, found.credentials) == (
        endpoint,
        given.get("store_role", ""),
        KEY,
    )


@pytest.mark.parametrize("store", ["file:///store", "s3://bucket?region=eu-west-1"])
def test_limited_credentials_that_nobody_can_lend_are_an_error(store: str) -> None:
    with pytest.raises(InvalidInput, match="limited credentials"):
        desk(store, store_credentials="assume-role")
