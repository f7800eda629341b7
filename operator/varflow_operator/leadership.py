"""Who of several operators acts: the holder of one Lease.

    wait until the Lease is free ─► take it, leaseTransitions + 1 ─► renew … ─► give it back
                                                                         └─► lost: end at once

A standby measures with its own clock how long the Lease has not changed; no two clocks are
compared. The holder counts from *before* it asked for a renewal, and stops a third of the duration
earlier than a standby may begin, so that also of two clocks of which one goes half as fast again
no two operators act at a time. That it stops is seen to by a thread: a process that was stopped and
goes on, or whose event loop stands still, ends before its loop gets to anything.

`epoch` is the Lease's `leaseTransitions`. It rises with every holder, also after one that gave the
Lease back, also when a container starts again under the same name. A Lease that somebody deletes
begins again at the minutes of the clock, which is above all that were there.

The kubernetes package's own election was rejected: it keeps the transitions after a release, and
goes on working while it only fails to renew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from varflow.errors import ClusterError, ObjectConflict, ObjectExists, ObjectNotFound
from varflow_operator import names
from varflow_operator.cluster import Cluster
from varflow_operator.kinds import LEASE, Object

_logger = logging.getLogger(__name__)

_RENEWALS: Final = 3
"""In one duration."""
_LOOKS: Final = 15
"""Of a standby in one duration."""
_HELD: Final = 2 / 3
"""Part of the duration after which a holder that could not renew has stopped."""


def monotonic() -> float:
    """Return seconds that also pass while the machine is suspended, where it can tell."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boot) if boot is not None else time.monotonic()


# What a Lease says. PURE.


@dataclass(frozen=True, slots=True)
class Seen:
    """A Lease as it was read, and since when it is known to be so."""

    holder: str
    renewed: str
    transitions: int
    seconds: int
    version: str
    since: float

    @classmethod
    def read(cls, lease: Object, before: Seen | None, *, now: float) -> Seen:
        """Read a Lease; the time counts on when it is what was seen before."""
        spec = lease.get("spec") or {}
        holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
        is_same = before is not None and (before.holder, before.renewed) == (holder, renewed)
        return cls(
            holder=holder,
            renewed=renewed,
            transitions=spec.get("leaseTransitions") or 0,
            seconds=spec.get("leaseDurationSeconds") or 0,
            version=lease["metadata"]["resourceVersion"],
            since=before.since if before is not None and is_same else now,
        )

    def wait(self, identity: str, *, now: float) -> float:
        """Return the seconds until `identity` may take it; 0 when it may now."""
        if self.holder in {"", identity}:  # ours: the answer to our own claim was lost
            return 0.0
        return max(0.0, self.since + self.seconds - now)


def next_epoch(seen: Seen | None, *, is_there: bool, time: float) -> int:
    """Return the epoch of who takes the Lease at `time`, in seconds since 1970."""
    following = seen.transitions + 1 if seen is not None else 0
    return following if is_there else max(following, int(time // 60))


def claim(identity: str, *, seconds: int, epoch: int, now: datetime) -> Object:
    """Return the `spec` of a Lease that is taken now."""
    return {
        "acquireTime": _micro_time(now),
        "leaseTransitions": epoch,
        **renewal(identity, seconds=seconds, now=now),
    }


def renewal(identity: str, *, seconds: int, now: datetime) -> Object:
    """Return what of the `spec` a renewal changes."""
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": seconds,
        "renewTime": _micro_time(now),
    }


def _micro_time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


# Taking and keeping it.


def end_at_once(reason: str) -> None:
    """End the process, without anything that could wait, such as a log that nobody reads."""
    if select.select([], [2], [], 0)[1]:
        os.write(2, f"varflow-operator: ending at once: {reason}\n".encode())
    os._exit(1)


def ignore(trouble: str) -> None:
    """Note nothing."""


class Leadership:
    """The Lease, held by this process."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        namespace: str,
        pod_name: str,
        seconds: int,
        give_up: Callable[[str], None] = end_at_once,
        note: Callable[[str], None] = ignore,
    ) -> None:
        """Hold nothing yet; see `hold`.

        Args:
            cluster: where the Lease is.
            namespace: the operator's own.
            pod_name: who we are, for people; every start of a process is another holder.
            seconds: how long the Lease lasts without a renewal.
            give_up: called from another thread when it is lost; must not return soon after others
                could act.
            note: told, while it waits, what is in the way; "" for another holder alone.
        """
        self.epoch = 0
        self._cluster = cluster
        self._namespace = namespace
        self._identity = f"{pod_name}_{uuid.uuid4()}"
        self._seconds = seconds
        self._give_up = give_up
        self._note = note
        self._version = ""
        self._held_until = 0.0
        self._over = threading.Event()

    @property
    def is_held(self) -> bool:
        """Whether nobody else can act at this moment."""
        return monotonic() < self._held_until and not self._over.is_set()

    @contextlib.asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Wait for the Lease, keep it while the context lasts, and give it back."""
        await self._acquire()
        _logger.info("leading as %s, epoch %d", self._identity, self.epoch)
        watchdog = threading.Thread(target=self._watch, name="lease", daemon=True)
        watchdog.start()
        renewing = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            self._over.set()
            await self._release()

    async def _acquire(self) -> None:
        seen: Seen | None = None
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    seen, is_there = await self._look(seen)
                    self._note("")
                    wait = seen.wait(self._identity, now=monotonic()) if seen is not None else 0.0
                    if not wait and await self._take(seen, is_there=is_there):
                        return
            except (ClusterError, TimeoutError) as error:
                _logger.warning("the Lease cannot be read or taken: %s", error)
                self._note(str(error) or "no answer in time")
            await asyncio.sleep(self._seconds / _LOOKS)

    async def _look(self, before: Seen | None) -> tuple[Seen | None, bool]:
        found = await self._cluster.find(LEASE, self._namespace, names.LEASE)
        if found is None:
            return before, False  # its holder does not know yet that it was deleted
        seen = Seen.read(found, before, now=monotonic())
        if before is None or seen.holder != before.holder:
            _logger.info("the Lease is held by %s", seen.holder or "nobody")
        return seen, True

    async def _take(self, seen: Seen | None, *, is_there: bool) -> bool:
        epoch = next_epoch(seen, is_there=is_there, time=time.time())
        spec = claim(self._identity, seconds=self._seconds, epoch=epoch, now=datetime.now(UTC))
        try:
            await self._write(spec, version=seen.version if seen is not None and is_there else "")
        except (ObjectExists, ObjectConflict, ObjectNotFound):
            return False  # somebody else was faster
        self.epoch = epoch
        return True

    async def _keep(self) -> None:
        while True:
            pause = self._seconds / _RENEWALS
            try:
                async with asyncio.timeout(pause):
                    await self._renew()
            except (ClusterError, TimeoutError) as error:
                _logger.warning("the Lease was not renewed: %s", error)
                pause /= 5
            await asyncio.sleep(pause)

    async def _renew(self) -> None:
        now = datetime.now(UTC)
        try:
            spec = renewal(self._identity, seconds=self._seconds, now=now)
            await self._write(spec, version=self._version)
        except ObjectConflict:
            await self._look_again()
        except ObjectNotFound:
            _logger.warning("the Lease was deleted; making it again")
            spec = claim(self._identity, seconds=self._seconds, epoch=self.epoch, now=now)
            await self._write(spec, version="")

    async def _look_again(self) -> None:
        """See whether only the answer to our own renewal was lost."""
        found = await self._cluster.get(LEASE, self._namespace, names.LEASE)
        seen = Seen.read(found, None, now=monotonic())
        if (seen.holder, seen.transitions) != (self._identity, self.epoch):
            self._lose(f"the Lease is held by {seen.holder or 'nobody'}")
        self._version = seen.version

    async def _write(self, spec: Object, *, version: str) -> None:
        """Write the Lease, as new or as the next of a version, and count from before that."""
        asked = monotonic()
        metadata: Object = {"namespace": self._namespace, "name": names.LEASE}
        if version:
            body = {"metadata": {"resourceVersion": version}, "spec": spec}
            written = await self._cluster.patch(LEASE, self._namespace, names.LEASE, body)
        else:
            written = await self._cluster.create(LEASE, {"metadata": metadata, "spec": spec})
        self._version = written["metadata"]["resourceVersion"]
        self._held_until = asked + self._seconds * _HELD

    async def _release(self) -> None:
        body = {
            "metadata": {"resourceVersion": self._version},
            "spec": {"holderIdentity": None},
        }
        try:
            async with asyncio.timeout(self._seconds / _RENEWALS):
                await self._cluster.patch(LEASE, self._namespace, names.LEASE, body)
        except (ClusterError, TimeoutError) as error:
            _logger.warning("the Lease was not given back; it will run out: %s", error)

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, max(0.0, self._held_until - monotonic()))):
            if monotonic() >= self._held_until:
                self._lose("the Lease could not be renewed in time")

    def _lose(self, reason: str) -> None:
        self._over.set()
        self._give_up(reason)
