"""What kind of document this is, and what it says about itself. PURE.

Varflow's own manifests name their kind; Direktiv's YAML has its fields at the top, in two editions
that differ in how expressions are written (design.md §4). Afterwards there is one form for all: an
`Envelope` around the fields that `workflow` or `declarations` know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from varflow.language import wording
from varflow.language.codes import Code
from varflow.language.expressions import Dialect, Fault, Path, mentions_programs
from varflow.variables import keys

API_VERSION = "varflow.dev/v1alpha1"
_DIREKTIV_API = "workflow/v1"
_MANIFEST_FIELDS = {"apiVersion", "kind", "metadata", "spec", "status"}
_DIREKTIV_FIELDS = {"direktiv_api", "expressions", "id", "name", "url", "version"}
"""Fields of Direktiv's files that are about the file; `name`, `url` and `version` are only read."""


class Kind(StrEnum):
    """What a document declares."""

    WORKFLOW = "Workflow"
    VARIABLE = "Variable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which dialect a workflow is in, and why."""

    dialect: Dialect
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A document whose kind is known."""

    kind: Kind
    name: str
    namespace: str | None
    spec: dict[str, Any]
    prefix: Path
    """Where the spec is in the document."""
    choice: Choice
    faults: tuple[Fault, ...]
    """What is wrong around the spec; places are those in the document."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """A manifest's own, as written; nothing here reads it, a cluster does."""


def open_document(value: Any, *, stem: str, dialect: Dialect | None = None) -> Envelope | Fault:
    """Return what a document declares, or why that cannot be told.

    Args:
        value: the document.
        stem: the name of a workflow that has none, from its file's.
        dialect: overrides what the document says.
    """
    if not isinstance(value, dict):
        message = f"a document is a mapping, not {wording.kind_of(value)}"
        return Fault((), message, code=Code.UNKNOWN_DOCUMENT)
    if "kind" in value or "apiVersion" in value:
        return _open_manifest(value, dialect)
    if "states" in value or "direktiv_api" in value:
        return _open_direktiv(value, stem, dialect)
    message = "neither a manifest (`kind: Workflow`) nor a Direktiv workflow (`states:` at the top)"
    return Fault((), message, code=Code.UNKNOWN_DOCUMENT)


def _open_manifest(value: dict[str, Any], dialect: Dialect | None) -> Envelope | Fault:
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in set(Kind):
        shown = wording.shown(kind) if isinstance(kind, str) else wording.kind_of(kind)
        hint = wording.nearest(kind, Kind)
        message = f"{shown} is none of the kinds that files hold: Workflow, Variable"
        return Fault(("kind",), message, hint, Code.UNKNOWN_DOCUMENT)
    spec = value.get("spec")
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, namespace, faults = _metadata(metadata)
    faults = [*_manifest_faults(value), *faults]
    if not isinstance(spec, dict):
        return _spec_fault(spec, value)
    given = spec.get("expressions")
    faults += _dialect_faults(given, ("spec", "expressions"))
    return Envelope(
        kind=Kind(kind),
        name=name,
        namespace=namespace,
        spec={key: item for key, item in spec.items() if key != "expressions"}
        if kind == Kind.WORKFLOW
        else spec,
        prefix=("spec",),
        choice=_choose(dialect, given, _default()),
        faults=tuple(faults),
        metadata=metadata,
    )


def _spec_fault(spec: Any, value: Mapping[str, Any]) -> Fault:
    if spec is None:
        advice = "; `states` and the other fields belong in it" if "states" in value else ""
        return Fault(("spec",), f"is missing{advice}", code=Code.MISSING_FIELD)
    message = f"must be a mapping, not {wording.kind_of(spec)}"
    return Fault(("spec",), message, code=Code.WRONG_TYPE)


def _open_direktiv(value: dict[str, Any], stem: str, dialect: Dialect | None) -> Envelope | Fault:
    api = value.get("direktiv_api", _DIREKTIV_API)
    if api != _DIREKTIV_API:
        shown = wording.shown(api) if isinstance(api, str) else wording.kind_of(api)
        message = f"{shown} is not supported; only {_DIREKTIV_API} is"
        return Fault(("direktiv_api",), message, code=Code.UNKNOWN_DOCUMENT)
    faults = _dialect_faults(value.get("expressions"), ("expressions",))
    name = value.get("id", stem)
    field = ("id",) if "id" in value else ()
    return Envelope(
        kind=Kind.WORKFLOW,
        name=name if isinstance(name, str) else stem,
        namespace=None,
        spec={key: item for key, item in value.items() if key not in _DIREKTIV_FIELDS},
        prefix=(),
        choice=_choose(dialect, value.get("expressions"), _edition(value)),
        faults=(*faults, *_name_faults(name, field)),
    )


def _choose(override: Dialect | None, given: Any, edition: Choice) -> Choice:
    if override is not None:
        return Choice(dialect=override, reason="asked for")
    if isinstance(given, str) and given in set(Dialect):
        return Choice(dialect=Dialect(given), reason="`expressions` says so")
    return edition


def _edition(value: Mapping[str, Any]) -> Choice:
    """Return the dialect of Direktiv's edition that a file without `expressions` is written in."""
    if "direktiv_api" in value:
        return Choice(dialect=Dialect.WRAPPED, reason="`direktiv_api` is given")
    if "id" not in value:
        return _default()
    if mentions_programs(dict(value)):
        return Choice(dialect=Dialect.WRAPPED, reason="it holds jq( or js(")
    return Choice(dialect=Dialect.BARE, reason="an `id` at the top, and no jq( or js(")


def _default() -> Choice:
    return Choice(dialect=Dialect.WRAPPED, reason="the default")


def _metadata(metadata: dict[str, Any]) -> tuple[str, str | None, list[Fault]]:
    name, namespace = metadata.get("name"), metadata.get("namespace")
    faults = _name_faults(name, ("metadata", "name"))
    if namespace is not None:
        faults += _name_faults(namespace, ("metadata", "namespace"))
    return (
        name if isinstance(name, str) else "",
        namespace if isinstance(namespace, str) else None,
        faults,
    )


def _manifest_faults(value: Mapping[str, Any]) -> list[Fault]:
    faults = [
        Fault((name,), "unknown field", wording.nearest(name, _MANIFEST_FIELDS), Code.UNKNOWN_FIELD)
        for name in value
        if name not in _MANIFEST_FIELDS
    ]
    version = value.get("apiVersion")
    if version != API_VERSION:
        said = "is missing" if version is None else "is not supported"
        code = Code.MISSING_FIELD if version is None else Code.INVALID_VALUE
        faults.append(Fault(("apiVersion",), f"{said}; write {API_VERSION}", code=code))
    return faults


def _name_faults(name: Any, path: Path) -> list[Fault]:
    if name is None:
        return [Fault(path, "is missing", code=Code.MISSING_FIELD)]
    if not isinstance(name, str):
        return [Fault(path, wording.not_a_string(name), code=Code.WRONG_TYPE)]
    fault = keys.find_fault(name)
    return [Fault(path, f"the name {wording.shown(name)} {fault}")] if fault else []


def _dialect_faults(given: Any, path: Path) -> list[Fault]:
    if given is None or (isinstance(given, str) and given in set(Dialect)):
        return []
    shown = wording.shown(given) if isinstance(given, str) else wording.kind_of(given)
    return [Fault(path, f"must be {' or '.join(Dialect)}, not {shown}")]
