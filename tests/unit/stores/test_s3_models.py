"""What the s3 driver leaves out of botocore's descriptions changes no client."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import botocore.session
import orjson
import pytest

from varflow.variables.stores.s3_models import Files


def make_session(*, is_cut: bool) -> Any:
    session = botocore.session.Session()
    if is_cut:
        session.get_component("data_loader").file_loader = Files()
    return session


def make_client(service: str, region: str, *, is_cut: bool) -> Any:
    return make_session(is_cut=is_cut).create_client(
        service, region_name=region, aws_access_key_id="id", aws_secret_access_key="secret"
    )


def describe(session: Any, name: str) -> dict[str, Any]:
    """Return an operation's members and their types."""
    operation = session.get_service_model("s3").operation_model(name)
    return {
        f"{side}.{member}": (shape.type_name, shape.serialization)
        for side, owner in (("in", operation.input_shape), ("out", operation.output_shape))
        for member, shape in (owner.members if owner else {}).items()
    }


def test_every_operation_has_the_members_that_the_sdk_knows() -> None:
    whole, cut = make_session(is_cut=False), make_session(is_cut=True)

    names = whole.get_service_model("s3").operation_names
    assert cut.get_service_model("s3").operation_names == names
    assert [describe(cut, name) for name in names] == [describe(whole, name) for name in names]


@pytest.mark.parametrize("service", ["s3", "sts", "sso", "sso-oidc"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"])
def test_a_client_finds_the_address_that_the_sdk_finds(service: str, region: str) -> None:
    clients = [make_client(service, region, is_cut=is_cut) for is_cut in (False, True)]

    whole, cut = (client.meta for client in clients)
    for client in clients:
        client.close()

    assert (cut.endpoint_url, cut.region_name) == (whole.endpoint_url, whole.region_name)
    assert cut.partition == whole.partition
    assert cut.config.signature_version == whole.config.signature_version


def test_documentation_is_emptied_and_a_field_of_that_name_stays(tmp_path: Path) -> None:
    field = {"shape": "Text", "documentation": "what it is"}
    model = {"documentation": "all", "members": {"documentation": field}}
    (tmp_path / "model.json").write_bytes(orjson.dumps(model))

    loaded = Files().load_file(str(tmp_path / "model"))

    field = {"shape": "Text", "documentation": ""}
    assert loaded == {"documentation": "", "members": {"documentation": field}}


def test_a_packed_file_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "model.json.gz").write_bytes(gzip.compress(b'{"version":"1"}'))

    assert Files().exists(str(tmp_path / "model"))
    assert Files().load_file(str(tmp_path / "model")) == {"version": "1"}


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert not Files().exists(str(tmp_path / "model"))
    assert Files().load_file(str(tmp_path / "model")) is None
