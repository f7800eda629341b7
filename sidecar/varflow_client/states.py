"""What a function remembers from one run of its workflow to the next: one JSON value.

Each function has one for every schedule and event that starts its workflow, and one for all runs
that people and programs start. The usual shape of a function that watches something:

    before = context.variables.get_state(default=[])      # the first run: nothing yet
    now = look()
    context.variables.set_state(now)
    return [item for item in now if item not in before]
"""

from __future__ import annotations

import json
from typing import Any

from varflow_client import values
from varflow_client.calls import Calls
from varflow_client.values import KEEP, Ttl, Variable


class States(Calls):
    """The state of the function that an action runs."""

    def get_state(self, default: Any = None) -> Any:
        """Return the state, or `default` when none was set yet, and for nothing else.

        Raises:
            SidecarError: it could not be read; that is no first run.
        """
        found = self.find_state()
        return default if found is None else found.json()

    def find_state(self) -> Variable | None:
        """Return the state with its revision, or None when none was set yet."""
        with self._call("GET", "/state", {}) as answer:
            data = answer.read()
            is_there = answer.status != values.NO_CONTENT
            return values.make_variable("state", data, answer.headers) if is_there else None

    def set_state(
        self, value: Any, *, ttl: Ttl = KEEP, if_match: str | None = None, if_none: bool = False
    ) -> None:
        """Set the state. It takes effect at once, whatever becomes of the action.

        Args:
            value: anything that JSON can hold.
            ttl: seconds until it expires; None: never; KEEP: leave the expiry as it is.
            if_match: set it only if it is still at this `Variable.etag`.
            if_none: set it only if there is none yet.

        Raises:
            PreconditionFailed: that does not hold: another run has set it meanwhile.
            TooLarge: it is over a MiB.
        """
        body = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        headers = {"If-Match": if_match} if if_match is not None else {}
        if if_none:
            headers["If-None-Match"] = "*"
        text = values.encode_ttl(ttl)
        query = {"ttl": text} if text else {}
        with self._call("PUT", "/state", query, body=body.encode(), headers=headers) as answer:
            answer.read()

    def delete_state(self) -> None:
        """Forget the state; that there is none is no error."""
        with self._call("DELETE", "/state", {}) as answer:
            answer.read()
