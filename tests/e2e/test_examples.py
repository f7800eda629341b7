"""The examples of local runs, applied to a cluster; what they wrote is read from the bucket."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from tests.support.cluster.kubectl import Kubectl
from tests.support.cluster.places import ROOT
from tests.support.cluster_runs import apply_file, finish, output_of, start, uid
from tests.support.installation import Bucket, Installation

EXAMPLES = ROOT / "examples"


@pytest.fixture
def here(varflow: Installation, kubectl: Kubectl, namespace: str) -> Kubectl:
    """Calls in the test's namespace, of a cluster with Varflow."""
    return kubectl.in_namespace(namespace)


def value_of(bucket: Bucket, namespace_uid: str, path: str) -> bytes:
    """Return the bytes of a variable: of a small one behind its record's header."""
    (key,) = [it for it in bucket.names() if it.endswith(f"/{namespace_uid}/{path}!")]
    header, _, value = bucket.read(key).partition(b"\n")
    if value:
        return value
    body = header.partition(b'"body":"')[2].partition(b'"')[0].decode()
    (key,) = [it for it in bucket.names() if it.endswith(f"/{namespace_uid}/bodies/{body}!")]
    return bucket.read(key)


@pytest.mark.parametrize("file", ["counter/count.yaml", "counter-older/counter.yaml"])
def test_counter_goes_on_where_the_last_instance_ended(
    here: Kubectl, namespace: str, bucket: Bucket, file: str
) -> None:
    workflow = apply_file(here, EXAMPLES / file)

    assert output_of(here, workflow)["var"]["x"] == 1
    assert output_of(here, workflow)["var"]["x"] == 2

    owner = uid(here, "vwf", workflow)
    assert value_of(bucket, uid(here, "namespace", namespace), f"w/{owner}/x") == b"2"


def test_null_deletes(here: Kubectl) -> None:
    writing, reading, deleting = (
        apply_file(here, EXAMPLES / f"hello/{name}.yaml") for name in ("set", "get", "delete")
    )

    output_of(here, writing)
    assert output_of(here, reading)["var"] == {"MyVar": "Hello"}
    output_of(here, deleting)
    assert output_of(here, reading)["var"] == {"MyVar": None}


def test_two_images_share_files_and_folders(here: Kubectl, namespace: str, bucket: Bucket) -> None:
    workflow = apply_file(here, EXAMPLES / "iv/iv.yaml")

    output = output_of(here, workflow)

    owner = uid(here, "vwf", workflow)
    packed = value_of(bucket, uid(here, "namespace", namespace), f"w/{owner}/folder")
    assert hashlib.sha256(packed).hexdigest() == output["sha256"]
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = {member.name for member in archive if member.isfile()}
    assert names == set(output["folder"])


def test_each_scope_ends_where_it_should(here: Kubectl) -> None:
    writing = apply_file(here, EXAMPLES / "scopes/write.yaml")
    reading = apply_file(here, EXAMPLES / "scopes/read.yaml")

    own = {"of_instance": "red", "of_workflow": "green", "of_namespace": "blue"}
    assert output_of(here, writing) == own
    assert output_of(here, reading) == {**own, "of_instance": None, "of_workflow": None}


def test_kubectl_shows_what_there_is(here: Kubectl) -> None:
    workflow = apply_file(here, EXAMPLES / "counter/count.yaml")
    name = start(here, workflow)
    finish(here, name)

    table = here("get", "vwf,vvar,vwi")
    described = here("describe", "vwi", name)

    assert workflow in table
    assert "Complete" in table
    assert "Checkpoint" in described
