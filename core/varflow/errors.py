"""Every error Varflow raises on purpose, as one tree.

    VarflowError
    ├── InvalidInput                 what a caller sent cannot be accepted        400
    │   ├── InvalidKey               a variable's name
    │   ├── InvalidScope             a scope's name
    │   ├── InvalidArchive           bytes that are not the archive or encoding they should be
    │   ├── InvalidMessage           a dispatch, setting or checkpoint that cannot be decoded
    │   └── InvalidWorkflowFile      a file that cannot be loaded, with every problem in it
    ├── ExpressionError              a program without one usable result          422
    ├── UnknownAction                no action with that id runs here             404
    ├── VariableNotFound             nothing to copy from                         404
    ├── VariableExists               a create met a live variable                 409
    ├── PreconditionFailed           If-Match / If-None-Match did not hold        412
    ├── TooLarge                     over a configured limit                      413
    ├── InvalidConversion            the value is not of the type asked for       422
    ├── StaleEpoch                   a command from a deposed control plane       409
    ├── Draining                     this sidecar takes no new actions            503
    ├── ConditionsUnsupported        the store cannot compare and swap            501
    ├── ActionAbandoned              the control plane gave this action up        409
    ├── DeadlinePassed               too late to commit                           409
    ├── ClusterError                 the Kubernetes API                           502
    │   ├── ClusterUnavailable       away, slow or busy; trying again helps       503
    │   ├── ObjectNotFound           no object of that kind and name              404
    │   ├── ObjectConflict           it has changed since it was read             409
    │   ├── ObjectExists             a create met an object of that name          409
    │   └── ObjectRefused            the API server does not accept it            422
    └── StoreError                   the object store                             500
        ├── StoreUnavailable         away, slow or refusing; trying again helps   503
        ├── StoreFull                no room, or a quota                          507
        ├── StoreReadOnly            the store may not be written                 500
        ├── StoreLayoutUnknown       written by another version of Varflow        500
        ├── StoreUnsafe              the probe found it lying, and nobody accepts 500
        ├── EncryptionKeyMissing     the key that an object needs is not here     500
        └── CorruptObject            bytes in the store that cannot be what we wrote
            ├── TamperedObject       encrypted bytes that are not those of this object
            └── UnencryptedObject    plain bytes where only encrypted ones may be

`code` is stable: programs may match it, the documentation lists it. `status` is the HTTP status
wherever the error reaches a client. Foreign exceptions are translated once, at the edge that
calls the foreign code, and kept as `__cause__`. A class exists because somebody handles it
differently; anything else is a `VarflowError` with a message.

Messages say what failed, on which object, and what to do; no trailing full stop.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar


class VarflowError(Exception):
    """Root of the tree."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    @property
    def message(self) -> str:
        """The text for people, without the code."""
        return str(self)


class InvalidInput(VarflowError):
    """What a caller sent cannot be accepted; sending it again will not help."""

    code = "invalid_input"
    status = 400


class InvalidKey(InvalidInput):
    """A variable's name breaks the rule of design.md §5."""

    code = "invalid_key"


class InvalidScope(InvalidInput):
    """A scope that is none of instance, workflow, namespace."""

    code = "invalid_scope"


class InvalidArchive(InvalidInput):
    """Bytes that should be base64, tar or tar.gz and are not, or hold what may not be extracted."""

    code = "invalid_archive"


class InvalidMessage(InvalidInput):
    """A dispatch, setting or checkpoint that this version cannot decode."""

    code = "invalid_message"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file; as text `file:line: field: what is wrong`."""

    file: str
    message: str
    line: int = 0
    """From 1; 0 when it concerns the file as a whole."""
    column: int = 0
    """From 1."""
    field: str = ""
    """Such as `states[1].variables[0].scope`; empty when the text itself cannot be read."""
    hint: str = ""
    """The name that was perhaps meant."""
    code: str = "invalid_value"
    """What kind of problem it is; see `language.codes`."""

    def __str__(self) -> str:
        return self.described()

    def described(self, label: str = "") -> str:
        """Return the line for people; `label` stands before what is wrong."""
        place = f":{self.line}" if self.line else ""
        if place and not self.field:
            place += f":{self.column}"
        label = f" {label}:" if label else ""
        field = f" {self.field}:" if self.field else ""
        hint = f" (did you mean {self.hint!r}?)" if self.hint else ""
        return f"{self.file}{place}:{label}{field} {self.message}{hint}"


class InvalidWorkflowFile(InvalidInput):
    """Files that do not load; `problems` holds everything that is wrong in all of them."""

    code = "invalid_workflow"

    def __init__(self, problems: Sequence[Problem], workflows: Collection[str] = ()) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)
        self.workflows = tuple(workflows)
        """Names of the workflows that the files define, as far as that can be told."""


class NotRunYet(InvalidWorkflowFile):
    """Files that are right, and hold what this version does not run; see `language.not_yet`."""

    code = "not_yet"


class ExpressionError(VarflowError):
    """A program of a workflow that gave no usable result: catchable (direktiv-contract.md §4)."""

    code = "direktiv.jq.badCommand"
    status = 422


class UnknownAction(VarflowError):
    """No action with that id runs here."""

    code = "unknown_action"
    status = 404


class VariableNotFound(VarflowError):
    """A variable, or a revision of it, that has to be there is not."""

    code = "not_found"
    status = 404


class VariableExists(VarflowError):
    """A create met a variable that is there and has not expired."""

    code = "already_exists"
    status = 409


class PreconditionFailed(VarflowError):
    """`If-Match` or `If-None-Match` did not hold for the variable."""

    code = "precondition_failed"
    status = 412


class TooLarge(VarflowError):
    """A body, answer or archive over its configured limit."""

    code = "too_large"
    status = 413


class InvalidConversion(VarflowError):
    """The stored value is not of the type that the reader asked for."""

    code = "invalid_conversion"
    status = 422


class StaleEpoch(VarflowError):
    """A command from a control plane that is no longer the leader."""

    code = "stale_epoch"
    status = 409


class Draining(VarflowError):
    """This sidecar is stopping and takes no new actions; another pod may."""

    code = "draining"
    status = 503


class ConditionsUnsupported(VarflowError):
    """`If-Match`, `If-None-Match` or `mode=create` over a store that does not honour conditions."""

    code = "conditions_unsupported"
    status = 501


class ActionAbandoned(VarflowError):
    """The control plane gave the action up before it could commit, or its instance; final."""

    code = "action_abandoned"
    status = 409


class DeadlinePassed(VarflowError):
    """The action's deadline passed before its outputs could be committed."""

    code = "deadline_passed"
    status = 409


class ClusterError(VarflowError):
    """The Kubernetes API failed; never to be read as "the object is absent"."""

    code = "cluster_error"
    status = 502


class ClusterUnavailable(ClusterError):
    """The API server is away, too slow, or asks to come back later."""

    code = "cluster_unavailable"
    status = 503


class ObjectNotFound(ClusterError):
    """The API server says that there is no object of that kind and name."""

    code = "object_not_found"
    status = 404


class ObjectConflict(ClusterError):
    """The object is another one, or another version, than the one that was read."""

    code = "object_conflict"
    status = 409


class ObjectExists(ClusterError):
    """A create met an object of that kind and name."""

    code = "object_exists"
    status = 409


class ObjectRefused(ClusterError):
    """The API server does not accept the request: not valid, or not allowed (400, 403, 422)."""

    code = "object_refused"
    status = 422


class StoreError(VarflowError):
    """The object store failed; never to be read as "the variable is absent"."""

    code = "store_error"


class StoreUnavailable(StoreError):
    """The store is away, too slow, or asks to come back later."""

    code = "store_unavailable"
    status = 503


class StoreFull(StoreError):
    """The store has no room left for the write; what was there is untouched."""

    code = "store_full"
    status = 507


class StoreReadOnly(StoreError):
    """The store refuses every write: a read-only mount or missing rights."""

    code = "store_read_only"


class StoreMissing(StoreError):
    """There is no store at this place, and the caller was not to make one."""

    code = "store_not_found"


class StoreLayoutUnknown(StoreError):
    """The store carries the layout marker of another version."""

    code = "store_layout_unknown"


class StoreUnsafe(StoreError):
    """The store does not do what it says, so that promises do not hold over it."""

    code = "store_unsafe"


class CorruptObject(StoreError):
    """An object whose bytes cannot be what Varflow wrote there."""

    code = "corrupt_object"


class TamperedObject(CorruptObject):
    """Encrypted bytes that were changed, cut, or moved to this object from another."""

    code = "tampered_object"


class UnencryptedObject(CorruptObject):
    """Plain bytes where only encrypted ones may be: written by somebody without the key."""

    code = "unencrypted_object"


class EncryptionKeyMissing(StoreError):
    """The key that an object was encrypted with, or is to be, is not among those that are here."""

    code = "encryption_key_missing"
