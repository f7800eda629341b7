"""Who has something in the store, as one listing of it tells. PURE."""

from __future__ import annotations

from dataclasses import dataclass, field

from varflow.variables.paths import Place

KEPT_DATA = "output-"
"""What names of data objects begin with that stay as long as the instance's object."""


@dataclass(slots=True)
class Leftovers:
    """What an instance has in the store."""

    has_variables: bool = False
    has_data: bool = False
    """Other than its output."""
    has_record: bool = False
    """Its output or its log, which stay as long as its object."""
    decided_at: float | None = None
    """When the last of its decisions was written; None when there is none."""

    def note(self, place: Place, *, modified: float) -> None:
        """Take note of one object."""
        match place.part:
            case "vars":
                self.has_variables = True
            case "data":
                is_kept = place.name.startswith(KEPT_DATA)
                self.has_data |= not is_kept
                self.has_record |= is_kept
            case "decisions":
                self.decided_at = max(self.decided_at or modified, modified)
            case _:
                self.has_record = True

    @property
    def is_anything_ending(self) -> bool:
        """There is something that does not outlive the instance's end."""
        return self.has_variables or self.has_data or self.decided_at is not None

    def is_fence(self, *, until: float) -> bool:
        """Tell whether there are only decisions, of which the last was written after `until`."""
        is_more = self.has_variables or self.has_data or self.has_record
        return not is_more and self.decided_at is not None and self.decided_at > until


@dataclass(slots=True)
class Holdings:
    """What a namespace has in the store."""

    has_note: bool = False
    """It says whose it is."""
    workflows: set[str] = field(default_factory=set)
    instances: dict[str, Leftovers] = field(default_factory=dict)


class Census:
    """The namespaces, workflows and instances that have something, by UID."""

    def __init__(self) -> None:
        self.namespaces: dict[str, Holdings] = {}

    def note(self, place: Place, *, modified: float) -> None:
        """Take note of one object; `modified` is in seconds since the epoch."""
        holdings = self.namespaces.setdefault(place.namespace, Holdings())
        match place.folder:
            case "owner.json":
                holdings.has_note = True
            case "w" | "s" | "h" if place.owner:
                holdings.workflows.add(place.owner)
            case "i":
                leftovers = holdings.instances.setdefault(place.owner, Leftovers())
                leftovers.note(place, modified=modified)
            case _:
                pass  # the namespace's own
