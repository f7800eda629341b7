"""The custom resource definitions, as a real API server takes them and holds users to them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import markdown
from tests.support.cluster import programs
from tests.support.cluster.control_plane import ApiServer
from tests.support.cluster.kubectl import CallFailed, Kubectl
from tests.support.crd_cases import CALL, CASES, IMAGE, NOOP, SET, Case
from tests.support.markdown import Block
from varflow.errors import ObjectRefused
from varflow.language import bounds, loading, manifests
from varflow.language.workflow import Workflow
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import INSTANCE, VARIABLE, WORKFLOW, Kind, Object
from varflow_operator.schemas.rules import RULES

ROOT = Path(__file__).parents[2]
KINDS = {WORKFLOW.name: WORKFLOW, VARIABLE.name: VARIABLE, INSTANCE.name: INSTANCE}
DEADLINE_SECONDS = 60
NULLS = {"key": "x", "scope": "workflow", "value": {"a": None, "b": [None, {"c": None}]}}


class Users:
    """What users do with objects of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    async def create(self, kind: Kind, spec: Any, name: str = "") -> Object:
        metadata: Object = {"namespace": self.namespace, "generateName": "x-"}
        if name:
            metadata["name"] = name
        return await self.cluster.create(kind, {"metadata": metadata, "spec": spec})

    async def change(self, obj: Object, spec: Any) -> Object:
        kind = KINDS[obj["kind"]]
        return await self.cluster.patch(
            kind, self.namespace, obj["metadata"]["name"], {"spec": spec}
        )

    async def report(self, obj: Object, status: Any) -> Object:
        return await self.cluster.replace_status(KINDS[obj["kind"]], {**obj, "status": status})

    async def try_case(self, case: Case, spec: Any) -> Object:
        if case.before is None:
            return await self.create(case.kind, spec)
        return await self.change(await self.create(case.kind, case.before), spec)


@pytest.fixture(scope="module")
def common_namespace(api_server: ApiServer) -> Iterator[str]:
    """A namespace for objects whose names nobody asks for; making one takes half a second."""
    call = Kubectl(programs.find_for_control_plane("kubectl"), api_server.kubeconfig)
    with call.new_namespace() as name:
        yield name


@pytest.fixture
async def cluster(api_server: ApiServer) -> AsyncIterator[Cluster]:
    async with Cluster.connect(kubeconfig=str(api_server.kubeconfig)) as cluster:
        yield cluster


@pytest.fixture
def users(cluster: Cluster, common_namespace: str) -> Users:
    return Users(cluster, common_namespace)


@pytest.fixture
def users_here(cluster: Cluster, namespace: str) -> Users:
    """Users of the namespace in which `here` calls kubectl."""
    return Users(cluster, namespace)


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    return kubectl.in_namespace(namespace)


def workflow(*states: Any, **fields: Any) -> Any:
    return {"states": [*states] or [NOOP], **fields}


def manifest(spec: Any, kind: str = "Workflow", name: str = "w") -> str:
    metadata = {"name": name}
    return json.dumps(
        {"apiVersion": WORKFLOW.api_version, "kind": kind, "metadata": metadata, "spec": spec}
    )


# The definitions


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_definition_is_established(kubectl: Kubectl, kind: Kind) -> None:
    status = kubectl.get("crd", f"{kind.plural}.{kind.group}")["status"]
    conditions = {it["type"]: it["status"] for it in status["conditions"]}

    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


def test_definitions_can_be_applied_from_the_client_s_side(kubectl: Kubectl) -> None:
    kubectl("apply", "--dry-run=server", "--filename", str(ROOT / "crds"))


def undescribed(path: str, schema: Any) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        if not inner.get("description", "").strip():
            yield f"{path}.{name}"
        yield from undescribed(f"{path}.{name}", inner)
    if "items" in schema:
        yield from undescribed(f"{path}[]", schema["items"])


def published(kubectl: Kubectl) -> Any:
    """Return what the API server tells kubectl of our kinds; it takes a moment to say it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        schemas = json.loads(kubectl("get", "--raw", "/openapi/v3/apis/varflow.dev/v1alpha1"))
        found = {
            name.rpartition(".")[2]: it for name, it in schemas["components"]["schemas"].items()
        }
        if KINDS.keys() <= found.keys():
            return found
        assert time.monotonic() < deadline, "the kinds are not published"


def test_kubectl_explains_every_field(kubectl: Kubectl) -> None:
    found = published(kubectl)

    assert [path for kind in KINDS for path in undescribed(kind, found[kind])] == []
    assert "the first begins" in kubectl("explain", "workflow.spec.states")
    assert "null deletes" in kubectl("explain", "vwf.spec.states.variables.value")


async def test_kubectl_shows_what_matters(users_here: Users, here: Kubectl) -> None:
    instance = await users_here.create(INSTANCE, {"workflow": "hello"}, "run")
    await users_here.report(instance, RUNNING)
    await users_here.create(VARIABLE, {"scope": "namespace", "key": "k", "value": 1}, "shared")
    listed = here("get", "varflow")

    assert "hello      Running   Unknown     Started   first" in listed
    assert "namespace   k" in listed


# Rules


def test_every_rule_has_a_case() -> None:
    def covering(rule: Any) -> list[Case]:
        return [it for it in CASES if it.at == rule.at and it.message in rule.message]

    assert [f"{it.at}: {it.message}" for it in RULES if not covering(it)] == []


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_rule_accepts_what_is_right(users: Users, case: Case) -> None:
    assert await users.try_case(case, case.accepted)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_rule_refuses_what_is_wrong(users: Users, case: Case) -> None:
    with pytest.raises(ObjectRefused) as caught:
        await users.try_case(case, case.refused)

    assert case.message in str(caught.value)


SHAPES = [
    pytest.param(
        WORKFLOW,
        workflow(NOOP, NOOP),
        'spec.states[1]: Duplicate value: {"id":"a"}',
        id="two states of one id",
    ),
    pytest.param(
        WORKFLOW,
        workflow(functions=[IMAGE, IMAGE]),
        'spec.functions[1]: Duplicate value: {"id":"f"}',
        id="two functions of one id",
    ),
    pytest.param(
        WORKFLOW,
        workflow({**SET, "id": "a", "variables": [{"key": "x", "scope": "workflow"}]}),
        "spec.states[0].variables[0].value: Required value",
        id="a setter without value",
    ),
    pytest.param(
        WORKFLOW,
        workflow({**SET, "id": "a", "variables": [{"key": "x", "scope": "all", "value": 1}]}),
        "(instance|workflow|namespace)",
        id="an unknown scope",
    ),
    pytest.param(
        WORKFLOW, workflow({"id": "a", "type": "forech"}), '"forech"', id="an unknown state"
    ),
    pytest.param(
        WORKFLOW,
        workflow({"id": "a", "type": "delay", "duration": "5s"}),
        "spec.states[0].duration",
        id="no duration",
    ),
    pytest.param(
        WORKFLOW,
        workflow(functions=[{**IMAGE, "pod": {"securityContext": {"runAsUser": 0}}}]),
        "runAsUser",
        id="root",
    ),
    pytest.param(WORKFLOW, {"states": []}, "at least 1 items", id="no states"),
    pytest.param(
        VARIABLE, {"scope": "namespace"}, "must validate one and only one schema", id="no value"
    ),
    pytest.param(
        VARIABLE,
        {"scope": "namespace", "value": None, "text": "x"},
        "must validate one and only one schema",
        id="a null and a text",
    ),
    pytest.param(VARIABLE, {"scope": "instance", "value": 1}, '"instance"', id="scope instance"),
    pytest.param(INSTANCE, {"input": 1}, "spec.workflow: Required value", id="no workflow"),
]


@pytest.mark.parametrize(("kind", "spec", "message"), SHAPES)
async def test_schema_refuses_what_is_wrong(
    users: Users, kind: Kind, spec: Any, message: str
) -> None:
    with pytest.raises(ObjectRefused) as caught:
        await users.create(kind, spec)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"cancel": False}, id="cancel is taken back"),
        pytest.param({"workflow": "v"}, id="another workflow"),
        pytest.param({"revision": "r"}, id="another revision"),
        pytest.param({"trigger": None}, id="no trigger"),
        pytest.param({"parent": {"name": "p", "uid": "u"}}, id="a parent"),
    ],
)
async def test_an_instance_stays_what_it_is(users: Users, change: Any) -> None:
    spec = {"workflow": "w", "input": None, "trigger": {"type": "manual"}, "cancel": True}
    obj = await users.create(INSTANCE, spec)

    with pytest.raises(ObjectRefused, match="an instance cannot be changed"):
        await users.change(obj, change)


def test_a_misspelt_field_is_refused(here: Kubectl) -> None:
    with pytest.raises(CallFailed, match=r'unknown field "spec.states\[0\].transfrom"'):
        here("create", "--filename", "-", stdin=manifest(workflow({**NOOP, "transfrom": 1})))


# Bounds


def star(states: int, conditions: int) -> Any:
    """Return a workflow in which every state may go on to many others."""
    ids = [f"state-number-{place:05}" for place in range(states)]
    return workflow(
        *(
            {
                "id": name,
                "type": "switch",
                "conditions": [
                    {"condition": True, "transition": ids[(place + step) % states]}
                    for step in range(conditions)
                ],
                "catch": [{"error": "*", "transition": name}],
                "defaultTransition": name,
            }
            for place, name in enumerate(ids)
        )
    )


@pytest.mark.parametrize(
    ("states", "conditions"),
    [
        pytest.param(bounds.STATES, 1, id="as many states as there may be"),
        pytest.param(63, bounds.CONDITIONS, id="the most that is looked up"),
        pytest.param(64, bounds.CONDITIONS, id="more than is looked up"),
        pytest.param(bounds.STATES, 20, id="much more"),
    ],
)
async def test_rules_bear_the_largest_workflows(users: Users, states: int, conditions: int) -> None:
    assert await users.create(WORKFLOW, star(states, conditions))


async def test_a_stray_target_is_found_among_many(users: Users) -> None:
    spec = star(bounds.STATES, 1)
    spec["states"][-1]["conditions"][-1]["transition"] = "nowhere"

    with pytest.raises(ObjectRefused, match="a condition of a state leads to a state"):
        await users.create(WORKFLOW, spec)


async def test_one_state_more_is_too_many_for_file_and_cluster(users: Users) -> None:
    states = [{"id": f"s{place}", "type": "noop"} for place in range(bounds.STATES + 1)]

    with pytest.raises(ObjectRefused, match="must have at most 500 items"):
        await users.create(WORKFLOW, workflow(*states))
    with pytest.raises(Exception, match="has 501 entries; at most 500 are allowed"):
        loading.load_text(manifest(workflow(*states)), source="f.yaml")


# Null, and applying twice


async def test_null_survives(users: Users) -> None:
    nothing = {"key": "y", "scope": "workflow", "value": None}
    state = {**SET, "id": "a", "variables": [NULLS, nothing], "transition": None}
    call = {**CALL, "id": "b", "action": {"function": "f", "input": None}}
    spec = workflow(state, call, functions=[{**IMAGE, "resources": None, "pod": None}])
    obj = await users.create(WORKFLOW, spec)

    assert obj["spec"] == spec
    assert (await users.cluster.get(WORKFLOW, users.namespace, obj["metadata"]["name"]))[
        "spec"
    ] == spec
    assert isinstance(loading.load_object(obj), Workflow)


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, [None], {"a": None}])
async def test_any_json_is_a_value(users: Users, value: Any) -> None:
    variable = await users.create(VARIABLE, {"scope": "namespace", "value": value})
    instance = await users.create(INSTANCE, {"workflow": "w", "input": value})

    assert variable["spec"]["value"] == value
    assert instance["spec"]["input"] == value


def test_applying_null_takes_the_server_s_side(here: Kubectl) -> None:
    text = manifest(workflow({**SET, "id": "a", "variables": [NULLS]}))
    for _ in range(2):
        here("apply", "--server-side", "--filename", "-", stdin=text)
    here("diff", "--server-side", "--filename", "-", stdin=text)

    assert here.get("vwf", "w")["spec"]["states"][0]["variables"] == [NULLS]
    assert here.get("vwf", "w")["metadata"]["generation"] == 1


def test_applying_from_the_client_s_side_loses_no_null_unnoticed(here: Kubectl) -> None:
    """Kubectl removes nulls before it sends them; a setter without a value is refused."""
    variable = {"key": "x", "scope": "workflow", "value": None}

    with pytest.raises(CallFailed, match="value: Required value"):
        here(
            "apply",
            "--filename",
            "-",
            stdin=manifest(workflow({**SET, "id": "a", "variables": [variable]})),
        )


FILES = {
    f"{file.parent.name}/{file.name}": file for file in sorted((ROOT / "examples").rglob("*.yaml"))
}
MANIFESTS = [name for name, file in FILES.items() if "kind" in yaml.safe_load(file.read_text())]
"""Those in a cluster's form; the others are Direktiv's own, which the command line translates."""


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_example_is_accepted_and_applying_it_again_changes_nothing(
    here: Kubectl, file: Path
) -> None:
    made = [manifests.make_manifest(it) for it in loading.load_files([file]).envelopes]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    call = ("--server-side", "--filename", "-")
    here("apply", *call, stdin=text)
    names = [f"{it['kind']}/{it['metadata']['name']}" for it in made]
    first = [here.get(name) for name in names]
    here("apply", *call, stdin=text)
    here("diff", *call, stdin=text)

    assert [here.get(name) for name in names] == first


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_of_the_examples_is_accepted_as_it_is(here: Kubectl, name: str) -> None:
    here("apply", "--filename", str(FILES[name]))

    assert here("apply", "--filename", str(FILES[name])).strip().endswith("unchanged")


# What the operator writes

NOW = "2026-01-02T03:04:05Z"


def condition(kind: str, status: str, reason: str) -> Any:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": NOW,
    }


RUNNING = {
    "observedGeneration": 1,
    "phase": "Running",
    "reason": "ImagePullBackOff: x",
    "workflowUID": "6f1c",
    "revision": "abc",
    "state": "first",
    "step": 3,
    "startTime": NOW,
    "recentSteps": [{"state": "first", "step": 3, "startTime": NOW}],
    "conditions": [condition("Succeeded", "Unknown", "Started")],
    "checkpoint": {"epoch": 1, "seq": 2, "snapshot": "{}"},
}
STATUSES = [
    pytest.param(INSTANCE, {"workflow": "w"}, RUNNING, id="running"),
    pytest.param(
        INSTANCE,
        {"workflow": "w"},
        {
            **RUNNING,
            "phase": "Complete",
            "completionTime": NOW,
            "output": {"a": None},
            "outputRef": "x/y",
            "error": {"code": "c", "message": "m"},
            "conditions": [
                condition("Succeeded", "True", "Succeeded"),
                condition("Completed", "True", "Succeeded"),
            ],
        },
        id="over",
    ),
    pytest.param(
        WORKFLOW,
        workflow(),
        {
            "observedGeneration": 1,
            "revision": "abc",
            "states": 1,
            "functions": [{"id": "f", "deployment": "w-f-12345678"}],
            "conditions": [condition("Ready", "True", "Accepted")],
        },
        id="Workflow",
    ),
    pytest.param(
        VARIABLE,
        {"scope": "namespace", "value": 1},
        {
            "observedGeneration": 1,
            "revision": "r",
            "size": 1,
            "sha256": "0" * 64,
            "expiresAt": NOW,
            "conditions": [condition("Ready", "True", "Stored")],
        },
        id="Variable",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "status"), STATUSES)
async def test_status_is_kept_whole_and_is_no_new_generation(
    users: Users, kind: Kind, spec: Any, status: Any
) -> None:
    written = await users.report(await users.create(kind, spec), status)

    assert written["status"] == status
    assert written["metadata"]["generation"] == 1


async def test_kubectl_waits_for_conditions(users_here: Users, here: Kubectl) -> None:
    obj = await users_here.create(WORKFLOW, workflow(), "w")
    waiting = asyncio.to_thread(here, "wait", "--for=condition=Ready", "vwf/w", "--timeout=60s")
    ready = {"conditions": [condition("Ready", "True", "Accepted")]}
    said, _ = await asyncio.gather(waiting, users_here.report(obj, ready))

    assert "condition met" in said


EXAMPLES = list(markdown.read_workflows(ROOT / "docs/language.md"))


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
async def test_examples_of_the_language_are_accepted(users: Users, block: Block) -> None:
    (envelope,) = loading.load_text(block.text, source="example.yaml").envelopes

    created = await users.create(WORKFLOW, manifests.make_manifest(envelope)["spec"])

    assert created["spec"]["states"]
