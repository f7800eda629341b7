"""What a document says, as the manifest that a cluster takes. PURE.

Files are written in three forms (see `editions`); a cluster has one. A manifest says what its
document says: the dialect that was chosen stands in it, functions in Direktiv's words become
Varflow's, everything else stays as it was written. What only a cluster sets (`status`, UIDs,
versions) does not come along from files that were saved from one.
"""

from __future__ import annotations

import re
from typing import Any, Final

from varflow.language import functions, wording
from varflow.language.editions import API_VERSION, Envelope, Kind

_KEPT_METADATA: Final = ("annotations", "labels")
_OBJECT_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_OBJECT_NAME_LENGTH: Final = 253


def make_manifest(envelope: Envelope) -> dict[str, Any]:
    """Return the manifest of a valid document; without a namespace if it names none."""
    metadata = {"name": envelope.name}
    if envelope.namespace is not None:
        metadata["namespace"] = envelope.namespace
    kept = {name: envelope.metadata[name] for name in _KEPT_METADATA if envelope.metadata.get(name)}
    is_workflow = envelope.kind is Kind.WORKFLOW
    return {
        "apiVersion": API_VERSION,
        "kind": str(envelope.kind),
        "metadata": {**metadata, **kept},
        "spec": _workflow_spec(envelope) if is_workflow else envelope.spec,
    }


def find_name_fault(name: str) -> str | None:
    """Return what is wrong with `name` as that of an object in a cluster, or None."""
    if len(name) <= _OBJECT_NAME_LENGTH and _OBJECT_NAME.fullmatch(name):
        return None
    return (
        f"the name {wording.shown(name)} cannot be an object's in a cluster: "
        "lower-case letters, digits and inner '-' and '.' are one"
    )


def _workflow_spec(envelope: Envelope) -> dict[str, Any]:
    spec = {**envelope.spec, "expressions": str(envelope.choice.dialect)}
    if spec.get("functions"):
        spec["functions"] = [functions.in_own_words(function) for function in spec["functions"]]
    return spec
