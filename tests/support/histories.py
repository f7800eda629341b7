"""Clients that do random things to a few variables at once, and what became of each of them.

    Client ──► Journal (a file of lines) ──► read ──► linearizability.check

A journal has a line when something is called and another when it returns. Its process may be killed
between the two: then nobody knows whether it took effect. A commit that was under way is asked for
again by the next process, as an action's next attempt would, which tells what became of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tests.support.operations import UNKNOWN, Found, Lease, Operation
from varflow.errors import PreconditionFailed, StoreUnavailable, VariableExists
from varflow.variables import paths
from varflow.variables.expiries import Ttl
from varflow.variables.scopes import Address, Owners, Scope
from varflow.variables.variables import CLEAR, KEEP, Change, Variables

OWNERS: Final = Owners("local", "histories", "histories", "histories-1")
JOINED: Final = ("a", "b", "c")
"""Keys that commits write together."""
LEASED: Final = ("x", "y")
"""Keys that expire. Commits leave them alone: an expiry that passes while a commit is under way
ends the new value, too, but not at the same moment as it begins on the other keys."""
LONGEST_LEASE: Final = 0.3
LARGE: Final = 40_000
_TICK: Final = 0.001

clock = time.monotonic
"""One for all processes of a machine; it never jumps."""

Event = dict[str, Any]


class Journal:
    """A file that outlives the process that writes it."""

    def __init__(self, file: Path) -> None:
        self._name = file.stem
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._count = 0

    def next_id(self) -> str:
        self._count += 1
        return f"{self._name}.{self._count}"

    def write(self, **event: object) -> None:
        os.write(self._file, json.dumps({"at": clock(), **event}).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A commit of which nobody knows what became."""

    decision: str
    keys: tuple[str, ...]


class Client:
    """Does one thing after the other."""

    def __init__(self, variables: Variables, journal: Journal, chance: random.Random) -> None:
        self._variables = variables
        self._journal = journal
        self._chance = chance
        self._doings: dict[Callable[[str], Awaitable[None]], int] = {
            self._get: 8,
            self._set: 4,
            self._create: 2,
            self._compare: 4,
            self._remove: 2,
            self._commit_some: 3,
        }

    async def do_something(self) -> None:
        doing = self._chance.choices(list(self._doings), list(self._doings.values()))[0]
        await doing(self._chance.choice(JOINED + LEASED))

    async def commit_again(self, unfinished: Unfinished) -> None:
        await self._commit(unfinished.decision, unfinished.keys)

    async def _get(self, key: str) -> None:
        await self._find(key)

    async def _find(self, key: str) -> tuple[str, str] | None:
        """Return the value and its entity tag."""
        name = self._call("get", key=key)
        try:
            variable = await self._variables.get(_address(key))
            value = (await variable.bytes()).rstrip(b".").decode() if variable else None
        except StoreUnavailable:
            return None
        self._journal.write(id=name, outcome="done", value=value)
        return (value, variable.etag) if variable is not None and value is not None else None

    async def _set(self, key: str) -> None:
        ttl: Ttl = KEEP
        if key in LEASED:
            lease: list[Ttl] = [KEEP, CLEAR, self._chance.uniform(0, LONGEST_LEASE)]
            ttl = self._chance.choice(lease)
        name = self._call("set", key=key, ttl=ttl)
        await self._heed(name, self._variables.set(_address(key), self._data(name), ttl=ttl))

    async def _create(self, key: str) -> None:
        name = self._call("create", key=key)
        writing = self._variables.set(_address(key), self._data(name), create=True)
        await self._heed(name, writing)

    async def _compare(self, key: str) -> None:
        found = await self._find(key)
        if found is None:
            return
        value, etag = found
        is_removal = self._chance.random() < 0.2
        name = self._call("compare", key=key, value=value, is_removal=is_removal)
        await self._heed(
            name,
            self._variables.delete(_address(key), if_match=etag)
            if is_removal
            else self._variables.set(_address(key), self._data(name), if_match=etag),
        )

    async def _remove(self, key: str) -> None:
        name = self._call("remove", key=key)
        await self._heed(name, self._variables.delete(_address(key)))

    async def _commit_some(self, _key: str) -> None:
        keys = self._chance.sample(JOINED, self._chance.randint(2, len(JOINED)))
        await self._commit(paths.decision(OWNERS, self._journal.next_id()), tuple(keys))

    async def _commit(self, decision: str, keys: tuple[str, ...]) -> None:
        removed = [key for key in keys if self._chance.random() < 0.2]
        name = self._call("commit", decision=decision, keys=keys, removed=removed)
        try:
            changes = [await self._change(key, name, is_removal=key in removed) for key in keys]
            outcome = await self._variables.commit(decision, changes, result=name.encode())
        except StoreUnavailable:
            return
        self._journal.write(id=name, outcome="done", winner=outcome.result.decode())

    async def _change(self, key: str, name: str, *, is_removal: bool) -> Change:
        if is_removal:
            return Change(_address(key), None)
        data = self._data(f"{name}/{key}")
        return Change(_address(key), await self._variables.store_content(OWNERS, data))

    async def _heed(self, name: str, writing: Awaitable[object]) -> None:
        """Note what became of it; nothing when the store leaves that open."""
        try:
            await writing
        except (VariableExists, PreconditionFailed):
            self._journal.write(id=name, outcome="refused")
        except StoreUnavailable:
            return
        else:
            self._journal.write(id=name, outcome="done")

    def _call(self, do: str, **what: object) -> str:
        name = self._journal.next_id()
        self._journal.write(id=name, do=do, **what)
        return name

    def _data(self, value: str) -> bytes:
        return value.encode().ljust(LARGE if self._chance.random() < 0.1 else 0, b".")


def _address(key: str) -> Address:
    return Address(OWNERS, Scope.NAMESPACE, key)


async def run_clients(
    variables: Variables,
    journal: Journal,
    *,
    seed: str,
    count: int,
    clients: int,
    unfinished: Sequence[Unfinished] = (),
) -> None:
    """Let some clients do `count` things together."""
    left = iter(range(count))

    async def work(number: int) -> None:
        client = Client(variables, journal, random.Random(f"{seed}.{number}"))
        for commit in unfinished[number::clients]:
            await client.commit_again(commit)
        for _ in left:
            await client.do_something()

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(work(number))


def read_events(files: Iterable[Path]) -> tuple[list[Event], dict[str, Event]]:
    """Return the calls in all journals, and the returns by the call's name."""
    events = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
    calls = [event for event in events if "do" in event]
    return calls, {event["id"]: event for event in events if "do" not in event}


def find_unfinished(file: Path) -> list[Unfinished]:
    """Return the commits in a journal that were cut off."""
    calls, returns = read_events([file])
    return [
        Unfinished(call["decision"], tuple(call["keys"]))
        for call in calls
        if call["do"] == "commit" and call["id"] not in returns
    ]


def read(files: Iterable[Path]) -> list[Operation]:
    """Return the history in the journals."""
    calls, returns = read_events(files)
    history: list[Operation] = []
    commits: defaultdict[str, list[Event]] = defaultdict(list)
    for call in calls:
        if call["do"] == "commit":
            commits[call["decision"]].append(call)
        elif call["do"] != "get" or call["id"] in returns:
            operation = _operation(call, returns.get(call["id"]))
            history += [operation, *_expiry(operation, call)]
    for attempts in commits.values():
        history += _commits(attempts, returns)
    return history


def _operation(call: Event, end: Event | None) -> Operation:
    key, name = call["key"], call["id"]
    value = None if call["do"] == "remove" or call.get("is_removal") else name
    done = Operation(
        calls=call["at"],
        returns=UNKNOWN if end is None else end["at"],
        writes={key: value},
        lease=_lease(call),
        name=f"{call['do']} {name}",
    )
    is_refused = end is not None and end["outcome"] == "refused"
    match call["do"]:
        case "get":
            assert end is not None
            return replace(done, found=(Found(key, frozenset({end["value"]})),), writes={})
        case "create":
            found = Found(key, frozenset({None}), is_other=is_refused)
        case "compare":
            found = Found(key, frozenset({call["value"]}), is_other=is_refused)
        case _:
            return done
    return replace(done, found=(found,), writes={} if is_refused else done.writes)


def _lease(call: Event) -> str | Lease:
    ttl = call.get("ttl", "keep")
    return Lease(ttl.replace("none", "clear")) if isinstance(ttl, str) else str(call["id"])


def _expiry(operation: Operation, call: Event) -> list[Operation]:
    """Return the end of the lease that the operation takes."""
    if isinstance(operation.lease, Lease):
        return []
    ttl = call["ttl"]
    return [
        Operation(
            calls=operation.calls + ttl - _TICK,
            returns=operation.returns + ttl + _TICK,
            writes={call["key"]: None},
            expires=operation.lease,
            after=operation,
            name=f"expiry {call['id']}",
        )
    ]


def _commits(attempts: Sequence[Event], returns: Mapping[str, Event]) -> list[Operation]:
    """Return what the attempts of one action did: the winner's changes, once anybody knows it."""
    ends = [returns[call["id"]] for call in attempts if call["id"] in returns]
    assert len({end["winner"] for end in ends}) <= 1, f"{attempts} has two winners"
    latest = min((end["at"] for end in ends), default=UNKNOWN)
    return [
        Operation(
            calls=call["at"],
            returns=latest,
            writes={
                key: None if key in call["removed"] else f"{call['id']}/{key}"
                for key in call["keys"]
            },
            name=f"commit {call['id']}",
        )
        for call in attempts
        if not ends or call["id"] == ends[0]["winner"]
    ]
