"""What to do about a workflow. PURE.

    spec is wrong, or
    cannot run yet      say so; touch nothing, since instances of older revisions go on
    a name is taken     say so, and look again later
    otherwise           Secret, revision and Deployments as they should be; away with those that
                        neither the spec nor an unfinished instance needs

Only what differs is written: looking twice at the same thing writes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from varflow.errors import EncryptionKeyMissing, InvalidWorkflowFile, NotRunYet, ObjectRefused
from varflow.language.workflow import Workflow
from varflow.variables.encryption.keyrings import KeyRing
from varflow_operator import conditions, names
from varflow_operator.conditions import Condition
from varflow_operator.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    SECRET,
    WORKFLOW,
    Kind,
    Object,
)
from varflow_operator.lending.modes import NotLent
from varflow_operator.names import Reason
from varflow_operator.resources import comparing, objects, plans
from varflow_operator.resources.access import Access
from varflow_operator.resources.objects import Platform
from varflow_operator.resources.plans import FunctionPods
from varflow_operator.workflows import reading
from varflow_operator.workflows.situations import Situation

KEPT_REVISIONS: Final = 10
"""Newest revisions, the present one included, that stay though no instance runs on them: one may
be started again."""
RESYNC_SECONDS: Final = 3600.0
"""What others did to our objects is mended at the latest then."""
RETRY_SECONDS: Final = 60.0
"""Until something that only a person can change is looked at again."""

Written: TypeAlias = tuple[Kind, Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do, in this order."""

    apply: tuple[Written, ...] = ()
    status: Mapping[str, Any]
    """What the status should be."""
    delete: tuple[Written, ...] = ()
    again: float | None
    """In how many seconds to look again."""
    functions: tuple[FunctionPods, ...] = ()
    """Whose Deployments there are then."""


def decide(
    situation: Situation,
    *,
    platform: Platform,
    token: str,
    now: float,
    keys: KeyRing | None = None,
    is_lent: bool = False,
) -> Plan:
    """Return what to do about a workflow.

    Args:
        situation: the workflow.
        platform: what all workflows have in common.
        token: what its sidecars ask the operator for.
        now: seconds since the epoch.
        keys: what the namespace's variables are encrypted with.
        is_lent: the namespace has limited credentials of the store.
    """
    defined = situation.defined
    if isinstance(defined, InvalidWorkflowFile):
        found = conditions.stalled(_reason(defined), reading.message_of(defined))
        return Plan(status=_status(situation, found, now=now), again=None)
    if _is_foreign(situation.secret):
        found = conditions.stalled(Reason.NAME_TAKEN, _taken(situation))
        return Plan(status=_status(situation, found, now=now), again=RETRY_SECONDS)
    functions = plans.plan(defined, situation.owner)
    wanted = _wanted(situation, functions)
    access = platform.access(token, keys, is_lent=is_lent)
    return Plan(
        apply=(
            *_secret(situation, access),
            *_revision(situation),
            *_deployments(situation, wanted, platform, access),
        ),
        status=_accepted(situation, defined, functions, now=now),
        delete=(*_old_deployments(situation, wanted), *_old_revisions(situation)),
        again=RETRY_SECONDS if situation.live is None else RESYNC_SECONDS,
        functions=tuple(wanted.values()),
    )


def refuse(situation: Situation, error: ObjectRefused, *, now: float) -> Plan:
    """Return what to do when the API server has refused an object of the plan."""
    found = conditions.stalled(Reason.REFUSED, error.message)
    return Plan(status=_status(situation, found, now=now), again=RETRY_SECONDS)


def lack_keys(situation: Situation, error: EncryptionKeyMissing, *, now: float) -> Plan:
    """Return what to do when the namespace's keys are lost: say so; pods go on with theirs."""
    found = conditions.stalled(Reason.ENCRYPTION_KEY_MISSING, error.message)
    return Plan(status=_status(situation, found, now=now), again=RETRY_SECONDS)


def lack_credentials(situation: Situation, error: NotLent, *, now: float) -> Plan:
    """Return what to do when limited credentials are wanted and cannot be had."""
    found = conditions.stalled(Reason.CREDENTIALS_NOT_LIMITED, error.message)
    return Plan(status=_status(situation, found, now=now), again=RETRY_SECONDS)


# What should be there


def _wanted(situation: Situation, functions: Iterable[FunctionPods]) -> dict[str, FunctionPods]:
    """Return all function pods that somebody needs, by Deployment; those of the spec go first."""
    wanted = {it.deployment: it for it in functions}
    for workflow in (situation.live or {}).values():
        for it in plans.plan(workflow, situation.owner):
            wanted.setdefault(it.deployment, it)
    return wanted


def _secret(situation: Situation, access: Access) -> list[Written]:
    wanted, found = objects.secret(situation.owner, access), situation.secret
    # keys that are not wanted any more must go, too
    is_whole = found is not None and (found.get("data") or {}).keys() == wanted["data"].keys()
    return [] if is_whole and comparing.holds(wanted, found) else [(SECRET, wanted)]


def _revision(situation: Situation) -> list[Written]:
    wanted = objects.revision(
        situation.owner, situation.revision, situation.obj["spec"], number=situation.generation
    )
    found = _by_name(situation.revisions).get(wanted["metadata"]["name"])
    # the name is the content's hash, which an equal data need not be compared for
    head = {name: wanted[name] for name in ("metadata", "revision")}
    return [] if found and comparing.holds(head, found) else [(CONTROLLER_REVISION, wanted)]


def _deployments(
    situation: Situation,
    wanted: Mapping[str, FunctionPods],
    platform: Platform,
    access: Access,
) -> list[Written]:
    there = _by_name(situation.deployments)
    return [
        (DEPLOYMENT, _with_replicas(built, function, there.get(name)))
        for name, function in wanted.items()
        for built in [objects.deployment(function, platform, access)]
        if not comparing.holds(built, there.get(name))
    ]


def _with_replicas(built: Object, function: FunctionPods, found: Object | None) -> Object:
    """Return a Deployment with as many pods as it has; with `min` when it is new.

    Left out, the field would be taken from its owner and become 1, which wakes what sleeps. The
    version makes the API server refuse this if the scaler changes the number meanwhile.
    """
    replicas = found["spec"].get("replicas", 1) if found else function.scale.min
    version = {"resourceVersion": found["metadata"]["resourceVersion"]} if found else {}
    return {
        **built,
        "metadata": {**built["metadata"], **version},
        "spec": {**built["spec"], "replicas": replicas},
    }


# What should not


def _old_deployments(situation: Situation, wanted: Mapping[str, FunctionPods]) -> list[Written]:
    if situation.live is None:
        return []
    return [
        (DEPLOYMENT, it) for it in situation.deployments if it["metadata"]["name"] not in wanted
    ]


def _old_revisions(situation: Situation) -> list[Written]:
    if situation.live is None:
        return []
    owner, live = situation.owner, situation.live
    current = names.revision(owner.name, situation.revision)
    needed = {names.revision(owner.name, revision) for revision in live}
    others = [it for it in situation.revisions if it["metadata"]["name"] != current]
    others.sort(key=lambda it: int(it.get("revision", 0)), reverse=True)
    return [
        (CONTROLLER_REVISION, it)
        for it in others[KEPT_REVISIONS - 1 :]
        if it["metadata"]["name"] not in needed
    ]


# What to say


def _accepted(
    situation: Situation, workflow: Workflow, functions: Iterable[FunctionPods], *, now: float
) -> dict[str, Any]:
    found = conditions.ready(Reason.ACCEPTED, reading.idle_in(workflow))
    return {
        **_status(situation, found, now=now),
        "revision": situation.revision,
        "states": len(workflow.states),
        "functions": [{"id": it.function.id, "deployment": it.deployment} for it in functions],
    }


def _status(situation: Situation, wanted: tuple[Condition, ...], *, now: float) -> dict[str, Any]:
    """Return the status with other conditions; what was accepted last stays in it."""
    return {
        **situation.status,
        "observedGeneration": situation.generation,
        "conditions": conditions.merge(
            situation.status.get("conditions") or [],
            wanted,
            generation=situation.generation,
            now=now,
        ),
    }


def _reason(error: InvalidWorkflowFile) -> Reason:
    return Reason.NOT_SUPPORTED if isinstance(error, NotRunYet) else Reason.INVALID_SPEC


def _is_foreign(secret: Object | None) -> bool:
    """Tell whether somebody else has made an object of the name that we need."""
    labels = (secret["metadata"].get("labels") or {}) if secret else {}
    return secret is not None and labels.get(names.LABEL_MANAGER) != names.MANAGER


def _taken(situation: Situation) -> str:
    name = names.sidecar_secret(situation.owner.name)
    return (
        f"{SECRET.shown(situation.owner.namespace, name)} is not Varflow's, which needs one of "
        f"that name for the sidecars; rename it or the {WORKFLOW.name}"
    )


def _by_name(found: Iterable[Object]) -> dict[str, Object]:
    return {it["metadata"]["name"]: it for it in found}
