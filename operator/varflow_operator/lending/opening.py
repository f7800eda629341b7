"""From the operator's settings to a token service, if there is one to ask. PURE."""

from __future__ import annotations

from typing import Final

from varflow.errors import InvalidInput
from varflow.variables.stores import s3_urls
from varflow.variables.stores.credentials import Credentials
from varflow_operator.lending.minting import Desk
from varflow_operator.lending.modes import Mode
from varflow_operator.settings import OperatorSettings

_ROLE: Final = "VARFLOW_STORE_ROLE_ARN (store.credentials.roleArn of the chart)"


def find_desk(settings: OperatorSettings, credentials: Credentials | None) -> Desk | None:
    """Return where to ask for limited credentials; None when sidecars get the operator's own.

    Raises:
        InvalidInput: there must be limited ones, and the settings do not say where.
    """
    mode = Mode(settings.store_credentials)
    if mode is Mode.STATIC:
        return None
    if not settings.store.startswith("s3:"):
        if mode is Mode.AUTO:
            return None
        raise InvalidInput("only a store in S3 lends limited credentials; use another mode")
    location = s3_urls.parse(settings.store)
    endpoint = settings.sts_endpoint or location.endpoint
    if not endpoint and not settings.store_role:
        if mode is Mode.AUTO:
            return None
        raise InvalidInput(f"AWS lends limited credentials with a role only: set {_ROLE}")
    return Desk(
        endpoint=endpoint,
        region=location.region,
        role=settings.store_role,
        credentials=credentials,
    )
