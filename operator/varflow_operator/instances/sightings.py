"""What the watch sees of instances that somebody waits for. Nothing is polled, and nothing kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from varflow_operator.kinds import Object
from varflow_operator.observing import DELETED

Holds = Callable[[Object], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """Somebody waits until something holds for an instance."""

    holds: Holds
    found: asyncio.Future[Object | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    async def wait(self) -> Object | None:
        """Return the instance once that is so; None when it was deleted before."""
        return await self.found

    def look(self, obj: Object, *, is_deleted: bool) -> None:
        """Take note of what is so now."""
        if self.found.done():
            return
        if self.holds(obj):
            self.found.set_result(obj)
        elif is_deleted:
            self.found.set_result(None)


class Sightings:
    """Tells those who wait. Use it from one event loop."""

    def __init__(self) -> None:
        self._awaited: dict[tuple[str, str], set[Sighting]] = {}

    @contextlib.contextmanager
    def of(self, namespace: str, name: str, *, until: Holds) -> Iterator[Sighting]:
        """Give what is told of an instance from now on, which need not be there yet."""
        key, sighting = (namespace, name), Sighting(until)
        self._awaited.setdefault(key, set()).add(sighting)
        try:
            yield sighting
        finally:
            self._awaited[key].discard(sighting)
            if not self._awaited[key]:
                del self._awaited[key]

    def observe(self, event_type: str | None, obj: Object) -> None:
        """Take note of a watch event about an instance."""
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        for sighting in self._awaited.get(key, ()):
            sighting.look(obj, is_deleted=event_type == DELETED)
