"""The pod of a function: what is in it, and what no workflow can put there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.definitions import OWNER, PLATFORM, TOKEN, pods_of, workflow_object
from tests.support.encryption import RING
from varflow.contract import SidecarSettings, stop_key
from varflow.errors import InvalidWorkflowFile
from varflow.language.functions import ContainerFunction
from varflow.variables.encryption.policies import Policy
from varflow.variables.probe.promises import Promise, Verdict
from varflow_operator.kinds import Object
from varflow_operator.resources import allowed, objects, pods
from varflow_operator.resources.access import Access
from varflow_operator.resources.plans import FunctionPods
from varflow_operator.workflows import reading

ACCESS = PLATFORM.access(TOKEN)


def deployment_of(function: FunctionPods) -> Object:
    return objects.deployment(function, PLATFORM, ACCESS)


def spec_of(function: FunctionPods) -> Any:
    return deployment_of(function)["spec"]["template"]["spec"]


def containers(**function: Any) -> tuple[Any, Any]:
    """Return the sidecar and the function of a pod."""
    spec = spec_of(pods_of(**function))
    (sidecar,), (own,) = spec["initContainers"], spec["containers"]
    return sidecar, own


def environ(container: Any) -> dict[str, Any]:
    return {it["name"]: it.get("value", it.get("valueFrom")) for it in container["env"]}


# What is in it


def test_the_sidecar_reads_its_settings_as_they_were_meant() -> None:
    sidecar, _ = containers(concurrency=3)
    given = {name: value for name, value in environ(sidecar).items() if isinstance(value, str)}

    assert SidecarSettings.decode(given) == SidecarSettings(concurrency=3, encryption="off")


def test_the_sidecar_is_told_what_the_store_does_not_keep() -> None:
    verdict = Verdict(frozenset({Promise.UPDATES}))
    image = dataclasses.replace(PLATFORM.sidecar, verdict=verdict)
    platform = dataclasses.replace(PLATFORM, sidecar=image)
    deployment = objects.deployment(pods_of(), platform, ACCESS)
    (sidecar,) = deployment["spec"]["template"]["spec"]["initContainers"]

    assert environ(sidecar)["VARFLOW_STORE_LACKS"] == "updates"


def test_of_a_good_store_the_sidecar_is_told_nothing() -> None:
    sidecar, _ = containers()

    assert "VARFLOW_STORE_LACKS" not in environ(sidecar)


def test_what_only_the_sidecar_may_know_is_in_the_secret_and_nowhere_else() -> None:
    function = pods_of()
    sidecar, own = containers()
    secret = objects.secret(OWNER, ACCESS)
    hidden = {name for name, value in environ(sidecar).items() if isinstance(value, dict)}
    text = orjson.dumps(deployment_of(function)).decode()

    assert hidden == secret["data"].keys()
    assert hidden >= {"VARFLOW_TOKEN", "VARFLOW_STORE", "AWS_SECRET_ACCESS_KEY"}
    assert environ(own).keys() == {"PORT", "VARFLOW_SIDECAR_URL"}
    assert not any(value in text for value in ACCESS.environ().values())


def test_new_credentials_give_new_pods() -> None:
    other = Access(token=TOKEN, store="s3://elsewhere")

    assert other.mark() != ACCESS.mark()
    assert ACCESS.mark() == PLATFORM.access(TOKEN).mark()


def test_the_keys_come_out_of_the_namespaces_secret_and_stand_nowhere_else() -> None:
    access = PLATFORM.access(TOKEN, RING)
    built = objects.deployment(
        pods_of(), dataclasses.replace(PLATFORM, encryption=Policy.ON), access
    )
    spec = built["spec"]["template"]["spec"]
    (sidecar,), (own,) = spec["initContainers"], spec["containers"]

    assert environ(sidecar)["VARFLOW_ENCRYPTION"] == "on"
    assert environ(sidecar)["VARFLOW_ENCRYPTION_KEYS"] == {
        "secretKeyRef": {"name": "varflow-encryption", "key": "keys"}
    }
    assert "encryption" not in orjson.dumps(own).decode().lower()
    assert RING.encode().strip() not in orjson.dumps(built).decode()
    assert "VARFLOW_ENCRYPTION_KEYS" not in objects.secret(OWNER, access)["data"]


def test_lent_credentials_are_a_file_that_the_function_does_not_have() -> None:
    access = PLATFORM.access(TOKEN, is_lent=True)
    spec = objects.deployment(pods_of(), PLATFORM, access)["spec"]["template"]["spec"]
    (sidecar,), (own,) = spec["initContainers"], spec["containers"]

    path = "/var/run/varflow/store"
    assert environ(sidecar)["VARFLOW_STORE_CREDENTIALS_FILE"] == f"{path}/credentials.json"
    assert {"name": "store", "mountPath": path, "readOnly": True} in sidecar["volumeMounts"]
    assert {it["name"] for it in own["volumeMounts"]} == {"shared", "tmp"}
    assert [it["secret"]["secretName"] for it in spec["volumes"] if "secret" in it] == [
        "varflow-store-access"
    ]


def test_where_credentials_are_lent_the_operators_own_are_nowhere() -> None:
    access = PLATFORM.access(TOKEN, is_lent=True)

    assert access.environ().keys() == {"VARFLOW_TOKEN", "VARFLOW_STORE"}
    assert "the-secret-key" not in str(objects.secret(OWNER, access))


def test_other_credentials_for_everything_leave_pods_alone_that_have_borrowed_theirs() -> None:
    other = dataclasses.replace(PLATFORM, credentials=None)

    assert PLATFORM.access(TOKEN, is_lent=True).mark() == other.access(TOKEN, is_lent=True).mark()
    assert PLATFORM.access(TOKEN, is_lent=True).mark() != PLATFORM.access(TOKEN).mark()


def test_new_keys_give_new_pods() -> None:
    marks = {PLATFORM.access(TOKEN, ring).mark() for ring in (None, RING, RING.added(bytes(32)))}

    assert len(marks) == 3


def test_the_function_starts_behind_the_sidecar_and_ends_before_it() -> None:
    sidecar, own = containers()

    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["httpGet"] == {"path": "/healthz", "port": 9090}
    assert own["lifecycle"]["preStop"]["httpGet"] == {
        "path": "/idle",
        "port": 9090,
        "httpHeaders": [{"name": "Varflow-Stop-Key", "value": stop_key(TOKEN)}],
    }


def test_both_see_the_temp_dirs_and_nothing_else_of_each_other() -> None:
    sidecar, own = containers()
    mounts = [{it["mountPath"]: it["name"] for it in one["volumeMounts"]} for one in (sidecar, own)]

    assert mounts[0]["/mnt/shared"] == mounts[1]["/mnt/shared"]
    assert mounts[0]["/tmp"] != mounts[1]["/tmp"]
    assert [len(one) for one in mounts] == [2, 2]


@pytest.mark.parametrize("size", pods.SIZES)
def test_a_size_gives_limits_and_more_of_them_than_the_one_before(size: str) -> None:
    _, own = containers(size=size)

    assert own["resources"] == pods.SIZES[size]


def test_resources_of_the_users_count_instead_of_the_size() -> None:
    _, own = containers(size="large", resources={"limits": {"memory": "4Gi", "cpu": 2}})

    assert own["resources"] == {"limits": {"memory": "4Gi", "cpu": "2"}}


def test_what_users_say_goes_where_it_belongs() -> None:
    given = {
        "labels": {"team": "a"},
        "annotations": {"sidecar.istio.io/inject": "false"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "serviceAccountName": "reader",
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "high",
        "securityContext": {"runAsUser": 1000, "fsGroup": 2000},
    }
    function = pods_of(pod=given)
    template = deployment_of(function)["spec"]["template"]
    spec = template["spec"]

    assert template["metadata"]["labels"] == {"team": "a", **function.labels}
    assert template["metadata"]["annotations"].items() >= given["annotations"].items()  # type: ignore[attr-defined]
    assert spec["nodeSelector"] == {"disk": "fast"}
    assert spec["tolerations"][-1] == {"key": "gpu", "operator": "Exists"}
    assert [it.get("tolerationSeconds") for it in spec["tolerations"]] == [10, 10, None]
    assert spec["serviceAccountName"] == "reader"
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["priorityClassName"] == "high"
    assert spec["securityContext"]["fsGroup"] == 2000
    assert spec["containers"][0]["securityContext"]["runAsUser"] == 1000
    assert "runAsUser" not in spec["initContainers"][0]["securityContext"]


def test_a_functions_own_port_counts() -> None:
    _, own = containers(env=[{"name": "PORT", "value": "3000"}])

    assert environ(own)["PORT"] == "3000"
    assert [it["name"] for it in own["env"]] == ["VARFLOW_SIDECAR_URL", "PORT"]


def test_command_and_arguments_are_left_to_the_image_unless_given() -> None:
    _, own = containers()
    assert "command" not in own
    assert "args" not in own

    _, own = containers(command=["run"], args=[])
    assert (own["command"], own["args"]) == (["run"], [])


# What is refused


@pytest.mark.parametrize(
    ("function", "place"),
    [
        ({"pod": {"hostNetwork": True}}, "pod.hostNetwork"),
        ({"pod": {"volumes": []}}, "pod.volumes"),
        ({"pod": {"securityContext": {"privileged": True}}}, "pod.securityContext.privileged"),
        ({"pod": {"securityContext": {"runAsUser": 0}}}, "pod.securityContext.runAsUser"),
        ({"pod": {"tolerations": [{"key": 1}]}}, "pod.tolerations[0].key"),
        ({"pod": {"labels": {"varflow.dev/workflow": "x"}}}, "pod.labels['varflow.dev/workflow']"),
        ({"resources": {"claims": []}}, "resources.claims"),
        ({"envFrom": [{"secretRef": {"name": "x-varflow"}}]}, "envFrom[0].secretRef.name"),
        ({"env": [{"name": "A", "valueFrom": {}}]}, "env[0].valueFrom"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_allowed_is_named_with_its_place(function: Any, place: str) -> None:
    whole = {"id": "f", "image": "i", **function}
    with pytest.raises(InvalidWorkflowFile) as caught:
        reading.read(workflow_object(functions=[whole]), is_compiled=True)

    assert f"spec.functions[0].{place}" in [it.field for it in caught.value.problems]


def test_no_function_can_have_a_sidecars_secret_as_its_environment() -> None:
    name = objects.secret(OWNER, ACCESS)["metadata"]["name"]
    source = {"secretKeyRef": {"name": name, "key": "VARFLOW_TOKEN"}}
    function = ContainerFunction(
        id="f",
        image="i",
        env=({"name": "A", "valueFrom": source},),
        envFrom=({"secretRef": {"name": name}},),
    )

    assert name not in str(allowed.of(function).env + allowed.of(function).env_from)
    assert len(allowed.of(function).faults) == 2


# What can never get in

DANGEROUS_WORDS = (
    "allowPrivilegeEscalation",
    "capabilities",
    "containers",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPath",
    "hostPort",
    "hostUsers",
    "initContainers",
    "lifecycle",
    "ports",
    "privileged",
    "procMount",
    "seLinuxOptions",
    "seccompProfile",
    "securityContext",
    "shareProcessNamespace",
    "sysctls",
    "volumeMounts",
    "volumes",
)
USUAL_WORDS = (
    "annotations",
    "env",
    "labels",
    "name",
    "nodeSelector",
    "runAsUser",
    "tolerations",
    "value",
    "valueFrom",
)
words = st.sampled_from(DANGEROUS_WORDS + USUAL_WORDS) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers(-1, 70000) | st.text(max_size=8) | words
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
pod_values = st.dictionaries(words, values, max_size=5)
functions = st.builds(
    lambda **given: ContainerFunction.model_construct(id="f", image="i", **given),
    env=st.lists(pod_values, max_size=3).map(tuple),
    envFrom=st.lists(pod_values, max_size=3).map(tuple),
    resources=st.none() | pod_values,
    size=st.sampled_from(["small", "medium", "large"]),
    pod=st.none() | pod_values,
    command=st.none(),
    args=st.none(),
    concurrency=st.just(10),
)
FREE = {"affinity", "annotations", "labels", "nodeSelector", "topologySpreadConstraints"}
"""Fields whose content is data to Kubernetes, not a pod's own settings."""


def settings_in(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every name in a template that means something, with its value."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name, item
            if name not in FREE | {"limits", "requests"}:
                yield from settings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from settings_in(item)


@settings(max_examples=300)
@given(function=functions)
def test_whatever_a_function_says_its_pod_has_no_privileges(function: ContainerFunction) -> None:
    plain = pods_of()
    built = FunctionPods(
        owner=OWNER, function=function, spec="hash", grace_seconds=plain.grace_seconds
    )
    wanted, found = spec_of(plain), spec_of(built)
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    user = found["containers"][0]["securityContext"]
    names = {name for name, _ in settings_in(found)}

    assert found["initContainers"] == wanted["initContainers"]
    assert found["volumes"] == wanted["volumes"]
    assert len(found["containers"]) == 1
    assert found["containers"][0]["volumeMounts"] == wanted["containers"][0]["volumeMounts"]
    assert {name: user[name] for name in confined} == confined
    assert user.keys() <= {*confined, "runAsUser", "runAsGroup"}
    assert user.get("runAsUser", 1) > 0
    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert found["automountServiceAccountToken"] is False
    assert not names & {
        "hostAliases",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostPath",
        "hostPort",
        "hostUsers",
        "privileged",
        "procMount",
        "seLinuxOptions",
        "shareProcessNamespace",
        "sysctls",
    }
