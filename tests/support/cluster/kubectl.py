"""kubectl, bound to one cluster: how tests look at a cluster and change it from outside."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CALL_SECONDS = 100.0
"""Below the limit of a test, so that the message of a call that hangs is seen."""


class CallFailed(Exception):
    """A call of kubectl failed; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Calls the program with a kubeconfig, and in a namespace if one is given."""

    program: Path
    kubeconfig: Path
    namespace: str = ""

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Return what it prints."""
        where = ("--namespace", self.namespace) if self.namespace else ()
        done = subprocess.run(
            [self.program, "--kubeconfig", self.kubeconfig, *where, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise CallFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return an object, or a list of them, as plain values."""
        return json.loads(self("get", *arguments, "--output", "json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects on the server's side."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self("apply", "--server-side", "--filename", "-", stdin=json.dumps(items))

    @contextlib.contextmanager
    def new_namespace(self) -> Iterator[str]:
        """Make a namespace that nobody else uses; it is on its way out when the context ends."""
        name = f"test-{secrets.token_hex(4)}"
        self("create", "namespace", name)
        try:
            yield name
        finally:
            self("delete", "namespace", name, "--wait=false")

    def in_namespace(self, namespace: str) -> Kubectl:
        """Return the same in a namespace."""
        return Kubectl(self.program, self.kubeconfig, namespace)
