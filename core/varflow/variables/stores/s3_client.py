"""Making the S3 client: botocore's, which is boto3's, imported when a store is opened.

boto3 itself would hand out the same client, after loading its resources and its transfer manager:
3 MiB and a tenth of a second more for every sidecar, for what is not used here.

No retries by the SDK: after a lost answer it would send a conditional write again and report its
own first one as a failed condition. What may be repeated is repeated by the driver, which knows
(`s3_repeating`), and the callers wait out longer outages.

Checksums and request forms that only AWS has are off (`when_required`): other servers refuse them,
and records and bodies carry a SHA-256 of their own.
"""

from __future__ import annotations

import os
from typing import Any, Final

from varflow.variables.stores import s3_models
from varflow.variables.stores.credentials import Credentials, CredentialsFile
from varflow.variables.stores.s3_urls import Location

DEFAULT_REGION: Final = "us-east-1"
"""What servers take that have no regions; AWS answers with a redirect, which the SDK follows."""

_CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 15.0
"""Longest silence of the server: many times what a busy one needs, and short enough to answer a
waiting function before it gives up."""
_COMPLETE_SECONDS: Final = 300
"""Longest silence while parts are put together: servers over a folder copy them then."""

Client = Any
"""botocore makes the client's class from a description of the service: no type to be named."""


def make(
    location: Location,
    credentials: Credentials | CredentialsFile | None,
    *,
    connections: int,
    read_seconds: float = READ_SECONDS,
) -> Client:
    """Return a client for at most `connections` requests at one time.

    Raises:
        BotoCoreError: the process' AWS settings are wrong.
    """
    from botocore.config import Config

    from varflow.variables.stores.s3_lent_credentials import Lender

    session = make_session()
    if isinstance(credentials, CredentialsFile):
        session.register_component("credential_provider", Lender(credentials))
    client = session.create_client(
        "s3",
        **identity_of(credentials),
        endpoint_url=location.endpoint or None,
        region_name=region_of(location.region, session),
        config=Config(
            signature_version="s3v4",
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=read_seconds,
            max_pool_connections=connections,
            tcp_keepalive=True,
            retries={"mode": "standard", "total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if location.is_path_style else "auto"},
        ),
    )
    client.meta.events.register("before-call.s3.CompleteMultipartUpload", _be_patient)
    return client


def make_session() -> Any:
    """Return a session of the SDK that reads its descriptions of services sparingly."""
    import botocore.session

    session = botocore.session.Session()
    session.get_component("data_loader").file_loader = s3_models.Files()
    return session


def identity_of(credentials: Credentials | CredentialsFile | None) -> dict[str, str | None]:
    """Return what a client is told of who we are; nothing when it finds that out by itself."""
    if not isinstance(credentials, Credentials):
        return {}
    return {
        "aws_access_key_id": credentials.access_key_id,
        "aws_secret_access_key": credentials.secret_access_key,
        "aws_session_token": credentials.session_token or None,
    }


def region_of(given: str, session: Any) -> str:
    """Return a client's region: the one given, else that of the process."""
    # botocore reads AWS_DEFAULT_REGION only; the other SDKs read AWS_REGION.
    given = given or os.environ.get("AWS_REGION", "")
    return given or session.get_config_variable("region") or DEFAULT_REGION


def _be_patient(context: dict[str, Any], **_others: Any) -> None:
    context["read_timeout"] = _COMPLETE_SECONDS
