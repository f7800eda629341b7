"""What is decided about an object whose key may not be the present one."""

from __future__ import annotations

import pytest

from tests.support.encryption import FIRST, RING, SECOND
from varflow.variables.encryption.headers import SALT_BYTES, Header
from varflow.variables.encryption.keyrings import Key, KeyRing
from varflow.variables.encryption.policies import Policy
from varflow.variables.renewal import steps
from varflow.variables.renewal.steps import Found, Seal, Step

ROTATED = RING.added(SECOND.secret).using(SECOND)


@pytest.mark.parametrize(
    ("key", "ring", "policy", "seal"),
    [
        pytest.param(SECOND, ROTATED, Policy.ON, Seal.CURRENT, id="the present key"),
        pytest.param(FIRST, ROTATED, Policy.ON, Seal.OUTDATED, id="an older key"),
        pytest.param(SECOND, RING, Policy.ON, Seal.CLOSED, id="a key that is not here"),
        pytest.param(SECOND, None, Policy.OFF, Seal.CLOSED, id="no keys at all"),
        pytest.param(None, ROTATED, Policy.MIGRATE, Seal.OUTDATED, id="plain and believed"),
        pytest.param(None, ROTATED, Policy.ON, Seal.CLOSED, id="plain and not believed"),
        pytest.param(FIRST, ROTATED, Policy.MIGRATE, Seal.OUTDATED, id="older, among plain ones"),
    ],
)
def test_how_an_object_lies_there_is_seen_from_the_keys_that_are_here(
    key: Key | None, ring: KeyRing | None, policy: Policy, seal: Seal
) -> None:
    header = None if key is None else Header(key.id, bytes(SALT_BYTES))

    assert steps.judge(header, ring, policy) is seal


@pytest.mark.parametrize(
    ("found", "step"),
    [
        pytest.param(Found(record=Seal.CURRENT), Step.KEEP, id="the present key"),
        pytest.param(Found(record=Seal.CURRENT, body=Seal.CURRENT), Step.KEEP, id="with its body"),
        pytest.param(Found(record=Seal.OUTDATED), Step.SEAL, id="an older key"),
        pytest.param(
            Found(record=Seal.OUTDATED, body=Seal.CURRENT), Step.SEAL, id="the record's alone"
        ),
        pytest.param(
            Found(record=Seal.CURRENT, body=Seal.OUTDATED), Step.MOVE, id="the body's alone"
        ),
        pytest.param(
            Found(record=Seal.OUTDATED, body=Seal.CLOSED), Step.SEAL, id="a body without a key"
        ),
        pytest.param(Found(record=Seal.CLOSED), Step.CLOSED, id="no key"),
        pytest.param(
            Found(record=Seal.CURRENT, body=Seal.CLOSED), Step.CLOSED, id="none for the body"
        ),
        pytest.param(Found(record=Seal.OUTDATED, is_claimed=True), Step.CLAIM, id="in a commit"),
        pytest.param(
            Found(record=Seal.CURRENT, is_claimed=True), Step.KEEP, id="in one, with the key"
        ),
        pytest.param(
            Found(record=Seal.CURRENT, body=Seal.OUTDATED, is_stale=True),
            Step.STALE,
            id="of no life any more",
        ),
    ],
)
def test_a_record_is_written_again_only_where_that_is_needed_and_safe(
    found: Found, step: Step
) -> None:
    assert steps.decide(found) is step
