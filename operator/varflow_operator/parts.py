"""What an operator is put together from; `composition` does it, `process` runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from varflow.variables.probe.promises import Verdict
from varflow.variables.variables import Variables
from varflow_operator.cluster import Cluster
from varflow_operator.credentials import OperatorCredentials
from varflow_operator.encryption.keeping import NamespaceKeys
from varflow_operator.leadership import Leadership
from varflow_operator.metrics import Metrics
from varflow_operator.observing import Subscription
from varflow_operator.ownership import Ownership
from varflow_operator.settings import OperatorSettings


class Worker(Protocol):
    """What goes on as long as the process leads."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """What the parts are made of."""

    settings: OperatorSettings
    cluster: Cluster
    variables: Variables
    verdict: Verdict
    """Which promises hold over their store."""
    keys: NamespaceKeys
    ownership: Ownership
    credentials: OperatorCredentials
    leadership: Leadership
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Parts:
    """Who is told of what, and who works."""

    subscriptions: Sequence[Subscription]
    workers: Sequence[Worker]


Compose = Callable[[Supplies], AbstractAsyncContextManager[Parts]]
