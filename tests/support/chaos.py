"""A bad day of an S3 server: some of its requests fail, in every way that one can."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import Final

from tests.support import faulty_s3
from tests.support.faulty_s3 import Answer, Fault, Request, Send

READ_SECONDS: Final = 0.4
"""What drivers before it should take as the longest silence."""
_SILENCE_SECONDS: Final = 1.5 * READ_SECONDS


def hanging(*, is_taken: bool) -> Fault:
    """Silence until the client has gone."""

    def fault(request: Request, send: Send) -> None:
        if is_taken:
            send(request)
        time.sleep(_SILENCE_SECONDS)

    return fault


def late(request: Request, send: Send) -> None:
    """The server has the request when the client has gone."""
    time.sleep(_SILENCE_SECONDS)
    send(request)


FAULTS: Final[dict[str, Fault]] = {
    "an internal error": faulty_s3.answering(500, "InternalError"),
    "an internal error after storing": faulty_s3.answering(500, "InternalError", is_taken=True),
    "slow down": faulty_s3.answering(503, "SlowDown"),
    "slow down after storing": faulty_s3.answering(503, "SlowDown", is_taken=True),
    "a conflict": faulty_s3.answering(409, "ConditionalRequestConflict"),
    "a reset": faulty_s3.resetting(is_taken=False),
    "a reset after storing": faulty_s3.resetting(is_taken=True),
    "a cut body": faulty_s3.cutting(2),
    "silence": hanging(is_taken=False),
    "silence after storing": hanging(is_taken=True),
    "silence before storing": late,
}


class Chaos:
    """Lets a share of all requests fail, each in one of the ways."""

    def __init__(self, *, seed: int, share: float) -> None:
        self._chance = random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        """How often each fault came."""

    def __call__(self, request: Request, send: Send) -> Answer | None:
        name = self._choose()
        return send(request) if name is None else FAULTS[name](request, send)

    def _choose(self) -> str | None:
        with self._lock:
            if self._chance.random() >= self._share:
                return None
            name = self._chance.choice(list(FAULTS))
            self.counts[name] += 1
            return name
