"""Whether this process is of use, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Readiness:
    """What `/readyz` answers.

    A standby is ready: it could lead at once, a rollout of two replicas must not wait for ever, and
    no traffic is led to who is ready. Who leads is told by the metric `is_leader`.
    """

    is_ready: bool = False
    text: str = "starting"
    _remark: str = ""

    def wait_for(self, what: str) -> None:
        """Be not ready, for this reason."""
        self.is_ready = False
        self.text = what

    def set(self, text: str) -> None:
        """Be ready, as this."""
        self.is_ready = True
        self.text = f"{text}; {self._remark}" if self._remark else text

    def remark(self, text: str) -> None:
        """Say this, too, whenever ready from now on."""
        self._remark = text
