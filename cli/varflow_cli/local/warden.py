"""A tiny process that outlives `varflow` by a moment and ends what a SIGKILL would leave behind.

    varflow ──"+1234", "-1234"──► warden        process groups that begin and end
    varflow dies ──end of file──► warden: SIGTERM, a second, SIGKILL to each group; then the folder

Functions are leaders of their own sessions, so neither the terminal's Ctrl-C nor the end of
`varflow` reaches them; normally `varflow` stops them itself. A killed process cannot, but the end
of its pipe is certain. Rejected: `PR_SET_PDEATHSIG`, which is Linux's only, reaches the function
but not what it started, and needs a `preexec_fn` (which asyncio and threads do not bear).

Standard library only, few modules: it is started as a script by `python -I -S`.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE_SECONDS = 1.0


def follow(line: str, groups: set[int]) -> None:
    """Apply one line to the groups that are there."""
    if line.startswith("+"):
        groups.add(int(line[1:]))
    else:
        groups.discard(int(line[1:]))


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group and tell whether there was anybody."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # all that is left of it runs as another user
    return True


def end(groups: set[int]) -> None:
    """End the groups, gently first."""
    alive = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = {group for group in alive if signal_group(group, 0)}
    for group in alive:
        signal_group(group, signal.SIGKILL)


def main() -> None:
    """Read beginnings and ends until the pipe is closed, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    while line := sys.stdin.readline():
        follow(line, groups)
    end(groups)
    folder = sys.argv[1]
    if os.path.isdir(folder):
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
