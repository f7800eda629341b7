"""An instance's life as progress: what is new in each version of it that is seen.

Steps come from the bounded list in its status, so a state that lasts a millisecond is shown too,
if not too many others follow before the next version is seen.
"""

from __future__ import annotations

from varflow_cli.cluster.views import InstanceView
from varflow_cli.console.progress import Progress


class Reporter:
    """Shows one instance."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._step = 0
        self._reason = ""

    def show(self, view: InstanceView) -> None:
        """Show what is new since the version before."""
        self._show_steps(view)
        if view.reason and view.reason != self._reason:
            self._progress.warn(view.reason)
        self._reason = view.reason

    def finish(self, view: InstanceView) -> None:
        """Show how it ended."""
        self._progress.finish(view.phase.lower(), error=view.error)

    def _show_steps(self, view: InstanceView) -> None:
        new = [step for step in view.steps if step.number > self._step]
        missed = new[0].number - self._step - 1 if new else 0
        if missed > 0:
            self._progress.note(f"{missed} steps are not shown")
        for step in new:
            self._progress.enter(step.state)
            self._step = step.number
