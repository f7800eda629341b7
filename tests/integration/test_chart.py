"""The chart: what it refuses, what it makes, and whether a real API server takes it."""

from __future__ import annotations

import base64
import gzip
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import varflow
from tests.support import charts
from tests.support.charts import Helm, HelmFailed, of_kind
from tests.support.cluster.control_plane import ApiServer
from tests.support.cluster.kubectl import Kubectl

OWN_S3 = (
    "store.embedded.enabled=false",
    'store.s3.bucket="ours"',
    'store.s3.endpoint="https://s3.example.com"',
    'store.s3.existingSecret="s3-keys"',
)
SEVERAL = ("operator.replicas=2", "networkPolicy.enabled=true")
SCENARIOS = {
    "default": (),
    "own-s3": OWN_S3,
    "own-s3-network-policy": (*OWN_S3, "networkPolicy.enabled=true"),
    "several": SEVERAL,
    "volatile": ("store.embedded.persistence.enabled=false",),
    "everything-given": (
        'commonLabels={"team": "flows"}',
        'operator.nodeSelector={"disk": "ssd"}',
        'operator.tolerations=[{"operator": "Exists"}]',
        'operator.affinity={"podAntiAffinity": {}}',
        'operator.extraEnv=[{"name": "AWS_CA_BUNDLE", "value": "/certs/ca.crt"}]',
        'operator.extraVolumes=[{"name": "certs", "configMap": {"name": "certs"}}]',
        'operator.extraVolumeMounts=[{"name": "certs", "mountPath": "/certs"}]',
        'operator.imagePullSecrets=[{"name": "registry"}]',
        'operator.podAnnotations={"example.com/a": "b"}',
        'store.embedded.podLabels={"tier": "data"}',
    ),
}
MONITORS = ("metrics.serviceMonitor.enabled=true", "metrics.podMonitor.enabled=true")

KINDS = {"workflows", "variables", "workflowinstances"}


# What is written down twice


def test_chart_has_the_crds_of_the_repository() -> None:
    def texts(folder: Path) -> dict[str, str]:
        return {file.name: file.read_text() for file in sorted(folder.glob("*.yaml"))}

    assert texts(charts.CRDS) == texts(charts.ROOT / "crds"), "run `make chart`"


def test_crds_come_out_of_the_chart_as_they_went_in(helm: Helm) -> None:
    rendered = of_kind(helm.objects("crds.keep=false"), "CustomResourceDefinition")
    files = [yaml.safe_load(file.read_text()) for file in charts.CRDS.glob("*.yaml")]

    assert rendered == {crd["metadata"]["name"]: crd for crd in files}


def test_chart_has_the_version_of_the_images() -> None:
    chart = yaml.safe_load((charts.CHART / "Chart.yaml").read_text())

    found = {chart["version"], chart["appVersion"]}
    assert found == {varflow.__version__}, "run `make chart`"


def test_plain_manifest_is_the_chart_with_its_defaults(helm: Helm) -> None:
    expected = charts.parse(charts.plain_manifest(helm))

    assert charts.parse(charts.MANIFEST.read_text()) == expected, "run `make chart`"


def schema_paths(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """Give the path of every value that the schema knows; what it leaves open is one value."""
    for name, below in schema.get("properties", {}).items():
        resolved = definitions.get(below.get("$ref", "").rpartition("/")[2], below)
        paths = [f"{name}.{path}" for path in schema_paths(resolved, definitions)]
        yield from paths or [name]


def value_paths(values: dict[str, Any]) -> Iterator[str]:
    """Give the path of every value that has a default."""
    for name, value in values.items():
        paths = [f"{name}.{path}" for path in value_paths(value)] if isinstance(value, dict) else []
        yield from paths or [name]


@pytest.fixture
def known_values() -> set[str]:
    schema = json.loads((charts.CHART / "values.schema.json").read_text())
    return set(schema_paths(schema, schema["$defs"])) - {"global"}


def test_every_known_value_has_a_default_and_every_default_is_known(
    known_values: set[str],
) -> None:
    values = yaml.safe_load((charts.CHART / "values.yaml").read_text())
    # `resources` is a container's, as Kubernetes has it, with defaults inside.
    given = {re.sub(r"(?<=\.resources)\..*", "", path) for path in value_paths(values)}

    assert given == known_values


def test_every_value_is_used_and_every_used_value_exists(known_values: set[str]) -> None:
    files = (charts.CHART / "templates").iterdir()
    templates = "\n".join(file.read_text() for file in files)
    used = set(re.findall(r"\.Values\.([A-Za-z0-9.]+)", templates))
    # Two are passed around whole: an image, and the store's place.
    parts = re.findall(r"\.image\.(\w+)", (charts.CHART / "templates/_helpers.tpl").read_text())
    images = {path for path in used if path.endswith(".image")}
    used |= {f"{image}.{part}" for image in images for part in parts}
    used |= {f"store.s3.{part}" for part in re.findall(r"\$s3\.(\w+)", templates)}

    assert used - images - {"store.s3"} == known_values


# What is refused


def test_lint_has_nothing_to_say(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", charts.CHART)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        pytest.param("relicas=2", "relicas", id="misspelt"),
        pytest.param("operator.image.tagg=1", "tagg", id="misspelt-further-down"),
        pytest.param('operator.replicas="two"', "replicas", id="another-type"),
        pytest.param('operator.logLevel="loud"', "logLevel", id="no-such-word"),
        pytest.param('store.s3.endpoint="minio:9000"', "endpoint", id="no-url"),
        pytest.param('store.s3.endpoint="http://a:b@minio"', "endpoint", id="credentials"),
        pytest.param('store.s3.secretKey="x"', "secretKey", id="credentials-as-a-value"),
        pytest.param("store.embedded.enabled=false", "store.s3.bucket", id="no-bucket"),
        pytest.param(
            'store.s3.endpoint="http://minio:9000"', "store.embedded.enabled", id="two-stores"
        ),
        pytest.param(
            "operator.serviceAccount.create=false", "serviceAccount.name", id="no-account"
        ),
    ],
)
def test_wrong_value_is_refused_by_name(helm: Helm, value: str, named: str) -> None:
    with pytest.raises(HelmFailed, match=re.escape(named)):
        helm.render(value)


# What a cluster gets


@pytest.mark.parametrize("values", SCENARIOS.values(), ids=SCENARIOS)
def test_api_server_takes_every_object(
    helm: Helm, kubectl: Kubectl, namespace: str, values: tuple[str, ...]
) -> None:
    rendered = helm.render("crds.install=false", *values, namespace=namespace)

    # Unknown fields are errors here, other than with a plain apply.
    arguments = ("--dry-run=server", "--validate=strict", "--filename", "-")
    kubectl("create", *arguments, stdin=rendered)


def test_api_server_takes_the_crds(helm: Helm, kubectl: Kubectl) -> None:
    crds = list(of_kind(helm.objects(), "CustomResourceDefinition").values())

    assert len(crds) == len(KINDS)
    manifest = yaml.safe_dump_all(crds)
    flags = ("--server-side", "--dry-run=server", "--force-conflicts", "--filename", "-")
    kubectl("apply", *flags, stdin=manifest)


@pytest.mark.parametrize("values", SCENARIOS.values(), ids=SCENARIOS)
def test_pods_pass_the_restricted_standard(
    helm: Helm, kubectl: Kubectl, namespace: str, values: tuple[str, ...]
) -> None:
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    here = kubectl.in_namespace(namespace)
    accounts = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        for name in ("default", "varflow-operator")
    ]
    here.apply(*accounts)
    deployments = of_kind(helm.objects(*values, namespace=namespace), "Deployment")

    assert "varflow-operator" in deployments
    for name, deployment in deployments.items():
        template = deployment["spec"]["template"]
        metadata = {"name": name, "labels": template["metadata"]["labels"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        here("create", "--dry-run=server", "--filename", "-", stdin=json.dumps(pod))


@pytest.mark.parametrize("values", [*SCENARIOS.values(), MONITORS], ids=[*SCENARIOS, "monitors"])
def test_whatever_selects_pods_finds_some(helm: Helm, values: tuple[str, ...]) -> None:
    objects = helm.objects(*values)
    pods = [it["spec"]["template"] for it in objects if it["kind"] == "Deployment"]
    for service in of_kind(objects, "Service").values():
        wanted = service["spec"]["selector"].items()
        (pod,) = [pod for pod in pods if wanted <= pod["metadata"]["labels"].items()]
        ports = {port["name"] for box in pod["spec"]["containers"] for port in box["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    services = [it["metadata"]["labels"].items() for it in of_kind(objects, "Service").values()]
    for monitor in of_kind(objects, "ServiceMonitor").values():
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        assert any(wanted <= labels for labels in services)


def test_data_and_kinds_outlive_the_release(helm: Helm) -> None:
    objects = helm.objects()
    kept = {
        (it["kind"], it["metadata"]["name"])
        for it in objects
        if it["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }

    assert kept == {
        ("PersistentVolumeClaim", "varflow-s3"),
        *(("CustomResourceDefinition", f"{kind}.varflow.dev") for kind in KINDS),
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param((), "on", id="as it comes"),
        pytest.param(("encryption.acceptPlain=true",), "migrate", id="over an older store"),
        pytest.param(("encryption.enabled=false",), "off", id="off"),
    ],
)
def test_encryption_is_the_same_for_operator_and_command_line(
    helm: Helm, values: tuple[str, ...], expected: str
) -> None:
    objects = helm.objects(*values)
    settings = of_kind(objects, "ConfigMap")["varflow-settings"]["data"]
    (container,) = of_kind(objects, "Deployment")["varflow-operator"]["spec"]["template"]["spec"][
        "containers"
    ]
    env = {it["name"]: it.get("value") for it in container["env"]}

    assert settings["encryption"] == env["VARFLOW_ENCRYPTION"] == expected


def test_release_holds_no_secret(helm: Helm) -> None:
    assert of_kind(helm.objects(), "Secret") == {}


def test_store_is_the_same_for_operator_sidecars_and_command_line(helm: Helm) -> None:
    objects = helm.objects(
        *OWN_S3, 'store.s3.prefix="a/b"', "store.s3.createBucket=true", "store.history=3"
    )
    settings = of_kind(objects, "ConfigMap")["varflow-settings"]["data"]
    (container,) = of_kind(objects, "Deployment")["varflow-operator"]["spec"]["template"]["spec"][
        "containers"
    ]
    env = {it["name"]: it.get("value") for it in container["env"]}

    url = "s3://ours/a/b?endpoint=https://s3.example.com&region=us-east-1&history=3"
    assert settings == {"store": url, "storeSecret": "s3-keys", "encryption": "on"}
    assert env["VARFLOW_SIDECAR_STORE"] == url
    assert env["VARFLOW_STORE"] == f"{url}&createBucket=true"
    assert env["VARFLOW_STORE_SECRET"] == "s3-keys"
    assert env["VARFLOW_STORE_SECRET_GENERATE"] == "false"


@pytest.mark.parametrize("is_accepted", [False, True])
def test_unsafe_store_is_accepted_only_when_told_so(helm: Helm, is_accepted: bool) -> None:
    given = ["store.acceptUnsafe=true"] if is_accepted else []
    deployments = of_kind(helm.objects(*given), "Deployment")
    (container,) = deployments["varflow-operator"]["spec"]["template"]["spec"]["containers"]
    env = {it["name"]: it.get("value") for it in container["env"]}

    assert env["VARFLOW_ACCEPT_UNSAFE_STORE"] == ("true" if is_accepted else "false")


def test_limited_credentials_are_asked_for_as_told(helm: Helm) -> None:
    def environ(*given: str) -> dict[str, str]:
        deployments = of_kind(helm.objects(*given), "Deployment")
        (container,) = deployments["varflow-operator"]["spec"]["template"]["spec"]["containers"]
        asked = ("VARFLOW_STORE_CREDENTIALS", "VARFLOW_STORE_ROLE_ARN", "VARFLOW_STS_ENDPOINT")
        return {it["name"]: it["value"] for it in container["env"] if it["name"] in asked}

    role, endpoint = "arn:aws:iam::123456789012:role/varflow", "https://sts.example.com"

    assert environ() == {"VARFLOW_STORE_CREDENTIALS": "auto"}
    assert environ(
        'store.credentials.mode="assume-role"',
        f'store.credentials.roleArn="{role}"',
        f'store.credentials.stsEndpoint="{endpoint}"',
    ) == {
        "VARFLOW_STORE_CREDENTIALS": "assume-role",
        "VARFLOW_STORE_ROLE_ARN": role,
        "VARFLOW_STS_ENDPOINT": endpoint,
    }


def test_digest_goes_before_the_tag(helm: Helm) -> None:
    digest = f"sha256:{'0' * 64}"
    image = json.dumps({"registry": "registry.example.com/a", "tag": "1", "digest": digest})
    (pod, *_) = of_kind(helm.objects(f"operator.image={image}"), "Deployment").values()

    (container,) = pod["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example.com/a/varflow-operator@{digest}"


# Size


@pytest.fixture(scope="module")
def release(helm: Helm, api_server: ApiServer) -> str:
    """What helm would write into the release's Secret, before compressing it."""
    where = ("--kubeconfig", api_server.kubeconfig, "--take-ownership")
    return helm("install", "varflow", charts.CHART, *where, "--dry-run=client", "--output", "json")


def test_example_of_the_notes_is_taken(release: str, kubectl: Kubectl, namespace: str) -> None:
    notes = json.loads(release)["info"]["notes"]
    (example,) = re.findall(r"<<'END'\n(.*?)\n  END", notes, re.DOTALL)

    arguments = ("--dry-run=server", "--validate=strict", "--filename", "-")
    kubectl.in_namespace(namespace)("create", *arguments, stdin=textwrap.dedent(example))


def test_release_fits_into_its_secret(helm: Helm, release: str, tmp_path: Path) -> None:
    (package,) = [Path(helm("package", charts.CHART, "-d", tmp_path).rpartition(": ")[2].strip())]

    assert len(base64.b64encode(gzip.compress(release.encode()))) < 200_000
    assert len(helm.render()) < 300_000
    assert package.stat().st_size < 60_000
