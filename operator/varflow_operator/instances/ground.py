"""What all instances stand on, and the settings they share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from varflow.language.evaluating import Evaluator
from varflow.logs import LogSink
from varflow.variables.variables import Variables
from varflow_operator.cluster import Cluster
from varflow_operator.instances import crashpoints
from varflow_operator.instances.blueprints import Blueprints
from varflow_operator.instances.crashpoints import Pass
from varflow_operator.instances.definitions import Definitions
from varflow_operator.instances.sightings import Sightings
from varflow_operator.metrics import Metrics
from varflow_operator.ownership import Ownership
from varflow_operator.pods.pods import Pods
from varflow_operator.pods.sidecars import Sidecars


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Everything that an actor uses; none of it is the actor's own."""

    cluster: Cluster
    variables: Variables
    evaluator: Evaluator
    log: LogSink
    metrics: Metrics
    pods: Pods
    sidecars: Sidecars
    ownership: Ownership
    definitions: Definitions
    sightings: Sightings
    blueprints: Blueprints
    token_of: Callable[[str], str]
    """Returns the bearer token of a workflow's sidecars from the workflow's UID."""
    epoch: int
    """Of this control plane; higher than that of any before."""
    pending_seconds: float
    """How long an instance waits for its workflow, and an action for a pod that does not start."""
    clock: Callable[[], float] = time.time
    passed: Pass = crashpoints.go_on
