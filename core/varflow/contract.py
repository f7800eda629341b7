"""What the control plane and a sidecar say to each other, encoded and decoded here only. PURE.

    control plane ── POST   /actions/<aid>?wait=<s>  Dispatch ──►  sidecar; idempotent by aid
                  ── GET    /actions/<aid>?wait=<s>           ──►  200 Outcome, or 202 while it runs
                  ── DELETE /actions/<aid>                    ──►  202: cancel; fetch the outcome
                  ── POST   /instances/gone?epoch=<n>&wait=<s>  [uid, …]  ──►  200 [uid, …]

The first three answer 200 with an `Outcome` once the action has ended and 202 with `{"state":
"running"}` before; 404 when the sidecar does not know the id, 409 for a lower epoch (a dispatch
carries it, GET and DELETE may add `&epoch=`), 503 while it drains. The last one names instances
that are gone: what runs for them is cancelled, what comes for them later is refused with 409, and
the answer names those of which something still runs after `wait`. Of all others nothing runs in
that pod, and nothing will. Every request carries `Authorization: Bearer <token>` when the sidecar
was given a token.

The other half of the contract, what a sidecar says to a function, is Direktiv's and lives in the
header names below (design.md §5; direktiv-contract.md §1). Settings reach a sidecar as environment
variables; `SidecarSettings` writes and reads them, so the two sides cannot drift.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final

import orjson

from varflow.errors import InvalidInput, InvalidMessage
from varflow.variables.probe.promises import KEPT, Verdict
from varflow.variables.scopes import Owners

ACTION_PORT: Final = 8890
"""Where a sidecar takes actions from the control plane."""
FUNCTION_PORT: Final = 8080
"""Where a function container listens."""
VARIABLE_PORT: Final = 8889
"""Where a sidecar answers the function, on both loopback families."""
METRICS_PORT: Final = 9090
"""Where a sidecar answers the kubelet and Prometheus."""

SHARED_DIR: Final = "/mnt/shared"
"""Parent of every action's temp dir inside a pod."""

HEADER_ACTION_ID: Final = "Direktiv-ActionID"
HEADER_TEMP_DIR: Final = "Direktiv-TempDir"
HEADER_ITERATOR: Final = "Direktiv-Iterator"
HEADER_ERROR_CODE: Final = "Direktiv-ErrorCode"
HEADER_ERROR_MESSAGE: Final = "Direktiv-ErrorMessage"
HEADER_IDEMPOTENCY_KEY: Final = "Varflow-Idempotency-Key"
HEADER_REVISION: Final = "Varflow-Revision"
HEADER_EXISTS: Final = "Varflow-Exists"
HEADER_EXPIRES_AT: Final = "Varflow-Expires-At"
HEADER_STOP_KEY: Final = "Varflow-Stop-Key"
"""With it `/idle` of the sidecar also has no new actions taken, see `stop_key`."""

CODE_CONTAINER_FAILED: Final = "container failed"
"""Direktiv's catchable code for a non-2xx answer without an error header; the space is theirs."""
CODE_INTERNAL: Final = "direktiv.internal.error"
CODE_TIMEOUT: Final = "direktiv.cancels.timeout.soft"
CODE_CANCELLED: Final = "direktiv.cancels.api"


class FileType(StrEnum):
    """How a variable becomes a file (seed: "Getting & Setting from Functions")."""

    PLAIN = "plain"
    BASE64 = "base64"
    TAR = "tar"
    TAR_GZ = "tar.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMount:
    """One variable to be laid into the temp dir; `as_name` is relative and may have sub-folders."""

    key: str
    scope: str = "instance"
    as_name: str = ""
    type: FileType = FileType.PLAIN
    permissions: int | None = None
    """Mode bits for the file, or for every file of an archive; None keeps the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """One action to be run by one function."""

    action_id: str
    function: str
    """The function's id; a sidecar in a pod has only one, a local one has several."""
    owners: Owners
    decision: str
    """Name of the instance's decision object: step and branch, the same in every attempt."""
    idempotency_key: str
    epoch: int
    deadline: float
    """Seconds since the epoch. The function is told to stop then; nothing is committed later."""
    input: Any
    iterator: int = 0
    attempt: int = 0
    is_first: bool = False
    """Nobody has sent this action before, to anywhere: there is no decision that could be found."""
    files: tuple[FileMount, ...] = ()
    state: str = ""
    """Name of the function's state for what started the instance, see `variables.states`."""

    def encode(self) -> bytes:
        """Return the message's bytes."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> Dispatch:
        """Read a message.

        Raises:
            InvalidMessage: the bytes are no dispatch of this version.
        """
        message = _object(data, what="dispatch")
        try:
            for name, kind in _DISPATCH_TYPES.items():
                _check_type(message, name, kind)
            return cls(
                **{
                    **message,
                    "owners": _owners(message["owners"]),
                    "files": tuple(_file_mount(entry) for entry in message.get("files", ())),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidMessage(f"not a dispatch: {error}") from error


class OutcomeStatus(StrEnum):
    """How an action ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    """With a code that the workflow may catch and retry."""
    CRASHED = "crashed"
    """Not catchable: the contract was broken or Varflow itself failed."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an action. Written into its decision object when it changed variables."""

    status: OutcomeStatus
    output: Any = None
    """The function's answer: a JSON value, base64 text for other bytes, "" for an empty body."""
    code: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()
    """For the instance's log: entries of `out/` that could not become variables."""

    def encode(self) -> bytes:
        """Return the message's bytes."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> Outcome:
        """Read a message.

        Raises:
            InvalidMessage: the bytes are no outcome of this version.
        """
        message = _object(data, what="outcome")
        try:
            status = OutcomeStatus(message.pop("status"))
            warnings = tuple(message.pop("warnings", ()))
            return cls(status=status, warnings=warnings, **message)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidMessage(f"not an outcome: {error}") from error


def output_value(body: bytes) -> Any:
    """Turn a function's answer into `.return`: JSON stays JSON, other bytes base64, empty `""`.

    The getter's rule for a variable's bytes is the same but for empty ones (design.md §5).
    """
    if not body:
        return ""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return base64.b64encode(body).decode("ascii")


def encode_uids(uids: Iterable[str]) -> bytes:
    """Return the bytes of a list of instances: those that are gone, or those that still run."""
    return orjson.dumps(sorted(uids))


def decode_uids(data: bytes) -> frozenset[str]:
    """Read a list of instances.

    Raises:
        InvalidMessage: the bytes are no JSON list of texts.
    """
    try:
        uids = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidMessage(f"the list of instances is not JSON: {error}") from error
    if not isinstance(uids, list) or not all(isinstance(uid, str) for uid in uids):
        raise InvalidMessage("the list of instances is not a JSON list of texts")
    return frozenset(uids)


def stop_key(token: str) -> str:
    """Return what a pod's preStop hook must know; it stands in the pod's spec, the token does not.

    Without it anybody who reaches the port could take a function's pods out of use.
    """
    return hmac.new(token.encode(), b"stop", hashlib.sha256).hexdigest()


def is_stop_key(text: str, *, token: str) -> bool:
    """Tell whether `text` is the stop key of a sidecar with this token; one without has none."""
    given = text.encode(errors="surrogateescape")  # as it came in a header
    return bool(token) and hmac.compare_digest(given, stop_key(token).encode())


MIB: Final = 1024 * 1024


_LAST_PORT: Final = 65535
_MAY_BE_ZERO: Final = {
    "VARFLOW_ACTION_PORT",
    "VARFLOW_VARIABLE_PORT",
    "VARFLOW_METRICS_PORT",
    "VARFLOW_CANCEL_GRACE_SECONDS",
}
"""Port 0 is any free one: for tests."""


def _setting(env: str, default: Any, *, is_secret: bool = False) -> Any:
    return field(default=default, metadata={"env": env}, repr=not is_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSettings:
    """Everything a sidecar process is told, as environment variables.

    `encode` is the control plane's half and `decode` the sidecar's.
    """

    store: str = _setting("VARFLOW_STORE", "", is_secret=True)
    """URL of the object store."""
    store_credentials_file: str = _setting("VARFLOW_STORE_CREDENTIALS_FILE", "")
    """File with credentials that are lent and renewed (see `stores.credentials`); empty for those
    of the process."""
    token: str = _setting("VARFLOW_TOKEN", "", is_secret=True)
    """Bearer token that action requests must carry; empty switches the check off."""
    encryption: str = _setting("VARFLOW_ENCRYPTION", "")
    """on, migrate or off (see `encryption.policies`); empty is on where there are keys."""
    encryption_keys: str = _setting("VARFLOW_ENCRYPTION_KEYS", "", is_secret=True)
    """The namespace's keys (see `encryption.keyrings`); empty for none."""
    shared_dir: str = _setting("VARFLOW_SHARED_DIR", SHARED_DIR)
    function_port: int = _setting("VARFLOW_FUNCTION_PORT", FUNCTION_PORT)
    action_port: int = _setting("VARFLOW_ACTION_PORT", ACTION_PORT)
    variable_port: int = _setting("VARFLOW_VARIABLE_PORT", VARIABLE_PORT)
    metrics_port: int = _setting("VARFLOW_METRICS_PORT", METRICS_PORT)
    concurrency: int = _setting("VARFLOW_CONCURRENCY", 10)
    """Actions at one time; more wait their turn (Direktiv's ten workers)."""
    max_variable_bytes: int = _setting("VARFLOW_MAX_VARIABLE_BYTES", 64 * 1024 * MIB)
    max_answer_bytes: int = _setting("VARFLOW_MAX_ANSWER_BYTES", 128 * MIB)
    """Longest answer of a function, and longest dispatch (Direktiv's 128 MiB)."""
    max_log_bytes: int = _setting("VARFLOW_MAX_LOG_BYTES", 4 * MIB)
    max_archive_bytes: int = _setting("VARFLOW_MAX_ARCHIVE_BYTES", 64 * 1024 * MIB)
    """Most bytes that one mounted archive may unpack to."""
    max_archive_entries: int = _setting("VARFLOW_MAX_ARCHIVE_ENTRIES", 1_000_000)
    cancel_grace_seconds: float = _setting("VARFLOW_CANCEL_GRACE_SECONDS", 10.0)
    """From `DELETE /` to the function until its request is aborted (Direktiv's 10 s)."""
    function_start_seconds: float = _setting("VARFLOW_FUNCTION_START_SECONDS", 120.0)
    """How long a function may take until it listens (Direktiv's two minutes)."""
    verdict: Verdict = field(default=KEPT, metadata={"env": "VARFLOW_STORE_LACKS"})
    """The promises that do not hold over the store: the control plane has probed it."""

    def encode(self) -> dict[str, str]:
        """Return the environment variables that say what this value says."""
        return {spec.metadata["env"]: str(getattr(self, spec.name)) for spec in fields(self)}

    @classmethod
    def decode(cls, environ: Mapping[str, str]) -> SidecarSettings:
        """Read the settings; a variable that is not there has its default.

        Raises:
            InvalidMessage: a variable's text is not of its type; names the variable.
        """
        given = {
            spec.name: _parse_setting(
                spec.metadata["env"], environ[spec.metadata["env"]], spec.default
            )
            for spec in fields(cls)
            if spec.metadata["env"] in environ
        }
        return cls(**given)


def _parse_setting(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str):
        return text
    if isinstance(default, Verdict):
        return _parse_verdict(name, text)
    try:
        value = type(default)(text)
    except ValueError:
        value = -1
    if not 0 <= value < math.inf or (name not in _MAY_BE_ZERO and value == 0):
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise InvalidMessage(f"{name}={text[:64]!r} is not {kind} that is positive and finite")
    if name.endswith("_PORT") and value > _LAST_PORT:
        raise InvalidMessage(f"{name}={text!r} is no port; the last one is {_LAST_PORT}")
    return value


def _parse_verdict(name: str, text: str) -> Verdict:
    try:
        return Verdict.decode(text)
    except InvalidInput as error:
        raise InvalidMessage(f"{name}: {error.message}") from error


def _object(data: bytes, *, what: str) -> dict[str, Any]:
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidMessage(f"the {what} is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise InvalidMessage(f"the {what} is not a JSON object")
    return message


_DISPATCH_TYPES: Final[Mapping[str, type]] = {
    "action_id": str,
    "function": str,
    "owners": dict,
    "decision": str,
    "idempotency_key": str,
    "epoch": int,
    "deadline": float,
    "iterator": int,
    "attempt": int,
    "is_first": bool,
    "files": list,
    "state": str,
}
_FILE_TYPES: Final[Mapping[str, type]] = {"key": str, "scope": str, "as_name": str}


def _owners(entry: dict[str, Any]) -> Owners:
    for name in entry:
        _check_type(entry, name, str)
    return Owners(**entry)


def _file_mount(entry: Any) -> FileMount:
    if not isinstance(entry, dict):
        raise TypeError("an entry of files is not an object")
    for name, kind in _FILE_TYPES.items():
        _check_type(entry, name, kind)
    if entry.get("permissions") is not None:
        _check_type(entry, "permissions", int)
    return FileMount(**{**entry, "type": FileType(entry.get("type", FileType.PLAIN))})


def _check_type(entry: Mapping[str, Any], name: str, kind: type) -> None:
    """Check one field, if it is there; JSON writes a whole float as an int."""
    value = entry.get(name)
    allowed = (float, int) if kind is float else (kind,)
    if name in entry and type(value) not in allowed:
        raise TypeError(f"{name} is not of the type {kind.__name__}")
