"""What the operator is told, as environment variables; the chart sets them.

Everything has a default but where variables live and which image functions get beside them.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

from varflow.contract import METRICS_PORT
from varflow.errors import InvalidInput
from varflow.variables.encryption.policies import Policy
from varflow_operator.lending.modes import Mode

_LAST_PORT: Final = 65535
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_TRUTH: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

Parse = Callable[[str], Any]


def _text(text: str) -> str:
    return text


def _is_true(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError("neither true nor false")
    return _TRUTH[text.lower()]


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError("not a number of seconds that is positive and finite")
    return value


def _whole_seconds(text: str) -> int:
    return int(_seconds(str(int(text))))


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= _LAST_PORT:
        raise ValueError(f"no port; the last one is {_LAST_PORT}")
    return value


def _name(text: str) -> str:
    if text and not _NAME.fullmatch(text):
        raise ValueError("not a name of a Kubernetes object")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(_name(name.strip()) for name in text.split(",") if name.strip())


def _one_of(*words: str) -> Parse:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"none of {', '.join(words)}")
        return text

    return parse


def _setting(env: str, default: Any, what: str, parse: Parse = _text) -> Any:
    return field(default=default, metadata={"env": env, "what": what, "parse": parse})


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """Everything an operator process is told."""

    store: str = _setting(
        "VARFLOW_STORE",
        "",
        "where variables live: s3://bucket/prefix?endpoint=URL&region=NAME&createBucket=true",
    )
    store_secret: str = _setting(
        "VARFLOW_STORE_SECRET",
        "",
        "Secret in the operator's namespace with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; "
        "none: the usual places, such as the service account",
        _name,
    )
    generates_store_secret: bool = _setting(
        "VARFLOW_STORE_SECRET_GENERATE",
        False,
        "true: make that Secret, with random values, when it is not there",
        _is_true,
    )
    store_credentials: str = _setting(
        "VARFLOW_STORE_CREDENTIALS",
        str(Mode.AUTO),
        "what sidecars get: static, the credentials of the operator; assume-role, some that are "
        "limited to their namespace and end; auto, these where the store lends them",
        _one_of(*Mode),
    )
    store_role: str = _setting(
        "VARFLOW_STORE_ROLE_ARN", "", "the role that limited credentials are of; AWS needs one"
    )
    sts_endpoint: str = _setting(
        "VARFLOW_STS_ENDPOINT", "", "who lends them; the default is the store's endpoint, or AWS"
    )
    accepts_unsafe_store: bool = _setting(
        "VARFLOW_ACCEPT_UNSAFE_STORE",
        False,
        "true: work over a store that breaks promises, which the log and /readyz then name",
        _is_true,
    )
    encryption: str = _setting(
        "VARFLOW_ENCRYPTION",
        str(Policy.ON),
        "on, off, or migrate: encrypt, and accept what was written plainly before",
        _one_of(*Policy),
    )
    sidecar_image: str = _setting("VARFLOW_SIDECAR_IMAGE", "", "image of the sidecars")
    sidecar_pull_policy: str = _setting(
        "VARFLOW_SIDECAR_PULL_POLICY",
        "IfNotPresent",
        "when the sidecars' image is pulled: Always, IfNotPresent or Never",
        _one_of("Always", "IfNotPresent", "Never"),
    )
    sidecar_store: str = _setting(
        "VARFLOW_SIDECAR_STORE",
        "",
        "the store as sidecars reach it; the default is VARFLOW_STORE without createBucket",
    )
    watch_namespaces: tuple[str, ...] = _setting(
        "VARFLOW_WATCH_NAMESPACES", (), "namespaces to serve, with commas; none: all", _names
    )
    namespace: str = _setting(
        "VARFLOW_OPERATOR_NAMESPACE", "varflow-system", "the operator's own namespace", _name
    )
    pod_name: str = _setting(
        "VARFLOW_POD_NAME", "", "the operator's own pod; the default is the host's name", _name
    )
    lease_seconds: int = _setting(
        "VARFLOW_LEASE_SECONDS",
        15,
        "how long a leader that has died is waited for; another replica takes over then",
        _whole_seconds,
    )
    metrics_port: int = _setting(
        "VARFLOW_METRICS_PORT", METRICS_PORT, "port of /metrics, /healthz and /readyz", _port
    )
    log_level: str = _setting(
        "VARFLOW_LOG_LEVEL",
        "info",
        "debug, info, warning or error",
        _one_of("debug", "info", "warning", "error"),
    )
    log_format: str = _setting(
        "VARFLOW_LOG_FORMAT", "json", "json or text", _one_of("json", "text")
    )
    pending_seconds: float = _setting(
        "VARFLOW_PENDING_SECONDS",
        300.0,
        "how long an action waits for a pod that does not start; "
        "a workflow's pendingTimeoutSeconds says otherwise",
        _seconds,
    )

    @classmethod
    def decode(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable is as good as none.

        Raises:
            InvalidInput: a variable's text is not what it should be, or one that is needed is
                not there; names it.
        """
        given = {
            spec.name: _parsed(spec.metadata["env"], environ, spec.metadata["parse"])
            for spec in fields(cls)
            if environ.get(spec.metadata["env"])
        }
        for name, env in (("store", "VARFLOW_STORE"), ("sidecar_image", "VARFLOW_SIDECAR_IMAGE")):
            if name not in given:
                raise InvalidInput(f"{env} is needed and not set; see varflow-operator --help")
        given.setdefault("pod_name", socket.gethostname())
        given.setdefault("sidecar_store", _without_creation(given["store"]))
        return cls(**given)


def describe() -> str:
    """Return all settings with their defaults and meanings, for people."""
    return "".join(
        f"  {spec.metadata['env']}={_shown(spec.default)}\n      {spec.metadata['what']}\n"
        for spec in fields(OperatorSettings)
    )


def _parsed(env: str, environ: Mapping[str, str], parse: Parse) -> Any:
    try:
        return parse(environ[env])
    except ValueError as error:
        raise InvalidInput(f"{env}={environ[env][:64]!r}: {error}") from error


def _without_creation(store: str) -> str:
    """Return the URL without `createBucket`: only the operator makes buckets."""
    parts = urlsplit(store)
    kept = [pair for pair in parts.query.split("&") if not pair.startswith("createBucket=")]
    return urlunsplit(parts._replace(query="&".join(kept)))


def _shown(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default or "")
