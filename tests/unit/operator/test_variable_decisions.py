"""Declared values: when they are written, when they are left alone, and what is refused."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import pytest

from tests.support.definitions import variable_object
from tests.support.variables import address, make_value
from varflow.errors import InvalidWorkflowFile
from varflow.variables.handles import VariableInfo
from varflow.variables.scopes import Scope
from varflow_operator import conditions
from varflow_operator.kinds import CONFIG_MAP, SECRET, Object
from varflow_operator.names import Reason
from varflow_operator.variables import deciding, reading, sources
from varflow_operator.variables.deciding import Choice
from varflow_operator.variables.reading import Reference
from varflow_operator.variables.sources import Content

NOW = 1_800_000_000.0
TEXT = "text/plain; charset=utf-8"
OURS = "3-ours"
STORED = {"revision": OURS, "sha256": sha256(b"hello").hexdigest(), "observedGeneration": 1}


def declared(status: Any = None, **spec: Any) -> Object:
    obj = variable_object(**{"text": "hello", **spec})
    return {**obj, "status": status} if status else obj


def stored(data: bytes = b"hello", **fields: Any) -> VariableInfo:
    given = {"rev": OURS, "content_type": TEXT, "updated_at": NOW, **fields}
    return VariableInfo(address(), make_value(data, **given))


def choose(obj: Object, found: VariableInfo | None, data: bytes = b"hello") -> Choice:
    return deciding.choose(
        reading.read(obj),
        Content(data, TEXT),
        stored=found,
        past=deciding.before(obj),
        now=NOW,
    )


OTHERS = stored(b"changed by a function", rev="4-theirs")
LATER_SPEC = {**STORED, "observedGeneration": 0}


def from_secret(status: Any) -> Object:
    obj = declared(status, valueFrom={"secretKeyRef": {"name": "s", "key": "k"}})
    del obj["spec"]["text"]
    return obj


@pytest.mark.parametrize(
    ("obj", "found", "choice"),
    [
        (declared(), None, Choice.WRITE),
        (declared(), OTHERS, Choice.WRITE),
        (declared(STORED), stored(), Choice.LEAVE),
        (declared(STORED, text="new"), stored(), Choice.LEAVE),
        (declared(STORED), stored(b"old"), Choice.WRITE),
        (declared(STORED), stored(content_type="text/html"), Choice.WRITE),
        (declared(STORED, ttlSeconds=60), stored(), Choice.WRITE),
        (declared(STORED, ttlSeconds=60), stored(expires_at=NOW + 60.2), Choice.LEAVE),
        (declared(STORED, ttlSeconds=60), stored(expires_at=NOW + 90), Choice.WRITE),
        (declared(STORED), stored(expires_at=NOW + 60), Choice.WRITE),
        (declared(STORED), OTHERS, Choice.LEAVE),
        (declared(LATER_SPEC, deletionPolicy="Retain"), OTHERS, Choice.LEAVE),
        (declared({**STORED, "sha256": "another"}), OTHERS, Choice.WRITE),
        (declared(STORED), None, Choice.WRITE),
        (declared({**STORED, "expiresAt": "2020-01-01T00:00:00Z"}), None, Choice.LEAVE),
        (
            declared({**STORED, "sha256": "x", "expiresAt": "2020-01-01T00:00:00Z"}),
            None,
            Choice.WRITE,
        ),
        (from_secret({**STORED, "sha256": ""}), OTHERS, Choice.LEAVE),
        (from_secret(LATER_SPEC), OTHERS, Choice.WRITE),
        (declared(overwrite="Never"), None, Choice.WRITE),
        (declared(overwrite="Never"), OTHERS, Choice.KEEP),
        (declared(STORED, overwrite="Never"), stored(b"old"), Choice.LEAVE),
        (declared(STORED, overwrite="Never"), OTHERS, Choice.LEAVE),
        (declared(STORED, overwrite="Never"), None, Choice.LEAVE),
    ],
    ids=[
        "first, nothing there",
        "first, another's there",
        "ours, as declared",
        "ours, what counts is the content",
        "ours, another content",
        "ours, another type",
        "ours, an expiry now",
        "ours, with its expiry",
        "ours, another expiry",
        "ours, no expiry now",
        "theirs, the declaration is old",
        "theirs, only another field has changed",
        "theirs, the declaration is new",
        "gone",
        "expired",
        "expired, the declaration is new",
        "theirs, the secret's object is old",
        "theirs, the secret's object is new",
        "seed, nothing there",
        "seed, something there",
        "seed, ours and old",
        "seed, theirs",
        "seed, removed by a function",
    ],
)
def test_a_declared_value_is_written_when_it_is_new(
    obj: Object, found: VariableInfo | None, choice: Choice
) -> None:
    assert choose(obj, found) is choice


def test_what_belonged_to_a_deleted_workflow_counts_no_more() -> None:
    then = conditions.merge([], conditions.ready(Reason.STORED), generation=1, now=NOW)
    obj = declared({**STORED, "conditions": then})

    assert deciding.before(obj, not_before="2027-01-15T07:59:59Z").revision == OURS
    assert deciding.before(obj, not_before="2027-01-15T08:00:01Z").is_void


# Reading


@pytest.mark.parametrize(
    ("spec", "data", "content_type"),
    [
        ({"value": {"a": [1]}}, b'{"a":[1]}', "application/json"),
        ({"value": None}, b"null", "application/json"),
        ({"text": "hi"}, b"hi", TEXT),
        ({"base64": base64.b64encode(b"\0").decode()}, b"\0", "application/octet-stream"),
        ({"text": "hi", "contentType": "text/html"}, b"hi", "text/html"),
    ],
    ids=["json", "null", "text", "base64", "type given"],
)
def test_a_value_is_read(spec: dict[str, Any], data: bytes, content_type: str) -> None:
    declaration = reading.read(variable_object(**spec))

    assert (declaration.data, declaration.content_type) == (data, content_type)
    assert (declaration.key, declaration.scope) == ("greeting", Scope.NAMESPACE)
    assert declaration.is_deleted_with_object
    assert not declaration.is_seed


def test_a_key_may_be_what_an_objects_name_cannot() -> None:
    declaration = reading.read(variable_object(key="My Key.TXT", text=""))

    assert declaration.key == "My Key.TXT"


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({}, "spec"),
        ({"text": "a", "value": 1}, "spec.text"),
        ({"text": "a", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}, "valueFrom"),
        ({"valueFrom": {}}, "spec.valueFrom"),
        ({"valueFrom": {"secretKeyRef": {"name": "s"}}}, "spec.valueFrom.secretKeyRef.key"),
        (
            {"valueFrom": {"secretKeyRef": {"name": "w-varflow", "key": "k"}}},
            "spec.valueFrom.secretKeyRef.name",
        ),
        ({"text": "a", "secret": True}, "spec.secret"),
        (
            {"secret": True, "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            "spec.secret",
        ),
        ({"text": "a", "scope": "workflow"}, "spec.workflowRef"),
        ({"text": "a", "workflowRef": {"name": "w"}}, "spec.workflowRef"),
        ({"text": "a", "key": ".."}, "spec.key"),
        ({"base64": "?"}, "spec.base64"),
        ({"text": "a", "ttlSeconds": -1}, "spec.ttlSeconds"),
        ({"text": "a", "tll": 1}, "spec.tll"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_with_its_place(spec: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidWorkflowFile) as caught:
        reading.read(variable_object(**spec))

    assert any(place in problem.field for problem in caught.value.problems)


def test_a_refusal_never_shows_the_value() -> None:
    with pytest.raises(InvalidWorkflowFile) as caught:
        reading.read(variable_object(text="canary", value="canary", base64="canary?"))

    assert "canary" not in str(caught.value)


def test_neither_a_declaration_nor_a_content_shows_its_value() -> None:
    declaration = reading.read(variable_object(text="canary"))

    assert "canary" not in f"{declaration!r} {Content(b'canary', TEXT)!r}"


# Sources


@pytest.mark.parametrize(
    ("kind", "fields", "content"),
    [
        (SECRET, {"data": {"k": "aGk="}}, Content(b"hi", "application/octet-stream")),
        (CONFIG_MAP, {"data": {"k": "hi"}}, Content(b"hi", TEXT)),
        (CONFIG_MAP, {"binaryData": {"k": "AA=="}}, Content(b"\0", "application/octet-stream")),
        (CONFIG_MAP, {"data": {"other": "hi"}}, None),
        (SECRET, {}, None),
    ],
    ids=["secret", "config map", "binary", "no key", "no data"],
)
def test_a_key_is_picked(kind: Any, fields: Any, content: Content | None) -> None:
    assert sources.pick(fields, Reference(kind=kind, name="n", key="k")) == content


# Status


def test_nothing_that_hangs_on_a_secret_is_shown() -> None:
    facts = deciding.facts(stored(expires_at=NOW), reading.read(from_secret(None)))

    assert facts == {"revision": OURS, "size": 5, "expiresAt": "2027-01-15T08:00:00Z"}


def test_a_status_keeps_what_is_known_of_the_value() -> None:
    obj = declared({**STORED, "size": 5, "conditions": []})
    wanted = conditions.working(Reason.STORE_UNAVAILABLE, "away")
    status = deciding.status(obj, deciding.known_facts(obj), wanted, now=NOW)

    assert {name: status[name] for name in ("revision", "size", "sha256")} == {
        "revision": OURS,
        "size": 5,
        "sha256": STORED["sha256"],
    }
    assert [it["type"] for it in status["conditions"]] == ["Ready", "Reconciling"]
