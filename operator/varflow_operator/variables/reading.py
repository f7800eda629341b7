"""Variable objects in, declarations out; or every problem in them. PURE.

The schema of the cluster has checked them already. They are checked again, since the schema there
may be an older one than this program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from varflow.errors import InvalidWorkflowFile, Problem
from varflow.language import checks
from varflow.language.declarations import DeclaredVariable
from varflow.language.expressions import Fault
from varflow.variables.scopes import Scope
from varflow_operator import names
from varflow_operator.kinds import CONFIG_MAP, SECRET, Kind, Object
from varflow_operator.schemas.variables import SOURCES, ValueSource, VariableSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A key of a Secret or ConfigMap."""

    kind: Kind
    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a Variable object says."""

    key: str
    scope: Scope
    workflow: str
    """Name of the Workflow that it belongs to; empty for the scope namespace."""
    data: bytes = field(repr=False)
    """The value; empty when it comes from a reference."""
    reference: Reference | None
    content_type: str
    """Empty when the reference decides."""
    ttl: int | None
    """Seconds; None for ever."""
    is_seed: bool
    """Functions own the value once it is there."""
    is_secret: bool
    """Nothing that hangs on the value may be shown."""
    is_deleted_with_object: bool


_SHARED: Final = tuple(DeclaredVariable.model_fields.keys() & VariableSpec.model_fields.keys())
"""What files can say, too."""


def read(obj: Object) -> Declaration:
    """Return what a Variable declares.

    Raises:
        InvalidWorkflowFile: with everything that is wrong in it.
    """
    spec = obj.get("spec")
    try:
        given = VariableSpec.model_validate(spec)
        plain = DeclaredVariable.model_validate(_plain(obj, given))
    except ValidationError as error:
        raise _refusal(obj, _faults_of(error)) from error
    faults = [*_source_faults(given)]
    if faults:
        raise _refusal(obj, faults)
    reference = _reference(given.valueFrom)
    is_from_secret = reference is not None and reference.kind is SECRET
    return Declaration(
        key=plain.key,
        scope=Scope(plain.scope),
        workflow=plain.workflow or "",
        data=b"" if reference else plain.data,
        reference=reference,
        content_type=(given.contentType or "") if reference else plain.content_type,
        ttl=given.ttlSeconds,
        is_seed=given.overwrite == "Never",
        is_secret=given.secret or is_from_secret,
        is_deleted_with_object=given.deletionPolicy == "Delete",
    )


def _plain(obj: Object, given: VariableSpec) -> dict[str, Any]:
    """Return what a file would say; an empty text stands for a value from elsewhere."""
    spec = obj["spec"]
    plain = {name: spec[name] for name in _SHARED if name in spec}
    elsewhere = {"text": ""} if given.valueFrom is not None and not _sources(given)[1:] else {}
    return {"key": obj["metadata"]["name"], **plain, **elsewhere}


def _sources(given: VariableSpec) -> list[str]:
    return [name for name in SOURCES if name in given.model_fields_set]


def _source_faults(given: VariableSpec) -> Iterable[Fault]:
    source = given.valueFrom
    if source is None:
        if given.secret:
            yield Fault(("secret",), "needs valueFrom.secretKeyRef: a value here is no secret")
        return
    if len(_sources(given)) > 1:
        listed = " and ".join(_sources(given))
        yield Fault(("valueFrom",), f"exactly one of {', '.join(SOURCES)} is needed, not {listed}")
    if (source.secretKeyRef is None) == (source.configMapKeyRef is None):
        yield Fault(("valueFrom",), "needs exactly one of secretKeyRef, configMapKeyRef")
    if given.secret and source.secretKeyRef is None:
        yield Fault(("secret",), "needs valueFrom.secretKeyRef")
    if source.secretKeyRef and names.is_reserved_secret(source.secretKeyRef.name):
        path = ("valueFrom", "secretKeyRef", "name")
        yield Fault(path, f"the Secret {source.secretKeyRef.name!r} is Varflow's own")


def _reference(source: ValueSource | None) -> Reference | None:
    if source is not None and source.secretKeyRef is not None:
        return Reference(kind=SECRET, name=source.secretKeyRef.name, key=source.secretKeyRef.key)
    if source is not None and source.configMapKeyRef is not None:
        found = source.configMapKeyRef
        return Reference(kind=CONFIG_MAP, name=found.name, key=found.key)
    return None


def _faults_of(error: ValidationError) -> list[Fault]:
    return [
        Fault(found["loc"], found["ctx"]["text"], found["ctx"]["hint"])
        for found in error.errors(include_url=False)
    ]


def _refusal(obj: Object, faults: Iterable[Fault]) -> InvalidWorkflowFile:
    return InvalidWorkflowFile(
        [
            Problem(
                obj["metadata"]["name"],
                fault.message,
                field=checks.format_path(("spec", *fault.path)),
                hint=fault.hint,
            )
            for fault in dict.fromkeys(faults)
        ]
    )
