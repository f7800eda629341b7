"""States with many branches: an action in each, some at one time, their answers in order. PURE.

    send ──► open branches (`Snapshot.effects`, a window) ──► done: `Fan.results`
                     ▲                                             │ more than a page
                     └── the window has room                       ▼
                                              STORE: a page goes out of the snapshot
    all done ──► LOAD the pages, if there are any ──► the answers, in the order of the branches

The snapshot stays small however many branches there are: it holds a window of open ones and less
than two pages of answers. A page leaves it only when the shell has confirmed that it is stored,
so that dying anywhere loses nothing; loading happens once. Every branch below `Fan.sent` is either
open or done, which makes a bitmap of the done ones unnecessary.

Rejected: one object for each answer (10,000 writes for a loop of 10,000), and sending everything
at once (the commands of one turn, and what a restart has to ask about, would grow without bound).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import orjson

from varflow.engine import attempts, effects
from varflow.engine.calls import Job
from varflow.engine.faults import StateError
from varflow.engine.messages import Json, LoadData, StoreData
from varflow.engine.reports import Report
from varflow.engine.snapshots import Effect, EffectKind, EffectPhase, Fan
from varflow.engine.turns import Turn, Work
from varflow.language import bounds

WINDOW: Final = bounds.BRANCHES
"""Branches that are open at most. Functions have ten actions a pod, so this keeps ten pods busy."""

PAGE_BYTES: Final = 16 * 1024
"""Answers that are stored away together: a snapshot with two pages fits an object of 64 KiB."""

_PAGES: Final = frozenset({EffectKind.STORE, EffectKind.LOAD})

JobOf = Callable[[int], Job]
"""What is to be done in a branch."""


def begin(turn: Turn, count: int) -> None:
    """Prepare the current state for `count` branches."""
    turn.update(fan=Fan(count=count))


def remember(turn: Turn, elements: list[Json]) -> None:
    """Keep at hand what the branches are for, until the state is left."""
    turn.update(fan=_fan(turn).knowing(elements))


def recall(turn: Turn) -> list[Json] | None:
    """Return what was remembered; None after a restart."""
    return _fan(turn).elements


def send(turn: Turn, job_of: JobOf, *, window: int = WINDOW) -> Work[None]:
    """Begin branches when half of the window is free: together they share work.

    Raises:
        StateError: an input cannot be evaluated; what was sent before is open.
    """
    room = window - len(effects.open_effects(turn.snapshot))
    if room < window // 2:
        return
    for _ in range(min(room, _fan(turn).count - _fan(turn).sent)):
        branch = _fan(turn).sent
        turn.update(fan=replace(_fan(turn), sent=branch + 1))
        yield from attempts.start(turn, job_of(branch), branch=branch)


def on_report(turn: Turn, job_of: JobOf, effect: Effect, report: Report) -> Work[Effect]:
    """Carry on with a branch, or with a page, after something happened to it.

    Raises:
        StateError: a page cannot be stored or loaded; or as `attempts.on_report`.
    """
    if effect.kind in _PAGES:
        return _on_page(turn, effect, report)
    effect = yield from attempts.on_report(turn, job_of(effect.branch), effect, report)
    if effect.phase is EffectPhase.SUCCEEDED:
        keep(turn, effect, effect.value)
    return effect


def resume(turn: Turn, job_of: JobOf) -> Work[None]:
    """Send out again what is running."""
    for effect in effects.open_effects(turn.snapshot):
        match effect.kind:
            case EffectKind.STORE:
                _emit_store(turn, effect)
            case EffectKind.LOAD:
                _emit_load(turn, effect)
            case _:
                yield from attempts.resume(turn, job_of(effect.branch), effect)


def count_done(turn: Turn) -> int:
    """Return how many branches have succeeded."""
    return _fan(turn).done


def is_done(turn: Turn) -> bool:
    """Say whether all branches have succeeded."""
    return _fan(turn).done == _fan(turn).count


def find_answers(turn: Turn) -> list[Json] | None:
    """Return the answers in order, null for a branch without one; None while some are away.

    To be asked when no branch is open; asks for the pages that are stored away.
    """
    fan = _fan(turn)
    loaded = [it for it in turn.snapshot.effects if it.kind is EffectKind.LOAD]
    if fan.pages and not loaded:
        if not effects.open_effects(turn.snapshot):
            _emit_load(turn, effects.begin(turn, EffectKind.LOAD, branch=_page_branch(fan.pages)))
        return None
    pages = loaded[0].value if loaded else []
    if pages is None:
        return None
    return _in_order(fan, [*(pair for page in pages for pair in page), *fan.results])


def _in_order(fan: Fan, pairs: Iterable[tuple[int, Json]]) -> list[Json]:
    answers: list[Json] = [None] * fan.count
    for branch, value in pairs:
        answers[branch] = value
    return answers


def _fan(turn: Turn) -> Fan:
    fan = turn.snapshot.fan
    if fan is None:
        raise LookupError(f"state {turn.snapshot.state!r} has no branches")
    return fan


# Answers


def keep(turn: Turn, effect: Effect, answer: Json) -> None:
    """Take a branch as done, with this answer."""
    fan = _fan(turn)
    effects.drop(turn, effect)
    turn.update(
        fan=replace(
            fan,
            done=fan.done + 1,
            results=(*fan.results, (effect.branch, answer)),
            size=fan.size + _size(answer),
        )
    )
    _store_when_full(turn)


def _size(value: Json) -> int:
    return len(orjson.dumps(value))


def _store_when_full(turn: Turn) -> None:
    fan = _fan(turn)
    is_storing = any(it.kind is EffectKind.STORE for it in turn.snapshot.effects)
    if fan.size >= PAGE_BYTES and not is_storing:
        branch = _page_branch(fan.pages)
        _emit_store(
            turn, effects.begin(turn, EffectKind.STORE, branch=branch, value=len(fan.results))
        )


def _on_page(turn: Turn, effect: Effect, report: Report) -> Effect:
    count = effect.value
    effect = effects.move(turn, effect, report, moves=effects.MOVES)
    if effect.phase is EffectPhase.FAILED:
        raise StateError.of(effect.reason)
    if effect.phase is EffectPhase.SUCCEEDED and effect.kind is EffectKind.STORE:
        effects.drop(turn, effect)
        _forget(turn, count)
        _store_when_full(turn)
    return effect


def _forget(turn: Turn, count: int) -> None:
    """Let the oldest answers go: a page holds them."""
    fan = _fan(turn)
    left = fan.results[count:]
    size = sum(_size(value) for _, value in left)
    turn.update(fan=replace(fan, results=left, size=size, pages=fan.pages + 1))


def _emit_store(turn: Turn, effect: Effect) -> None:
    fan = _fan(turn)
    page = list(fan.results[: effect.value])
    turn.emit(StoreData(request=effect.id, name=_page_name(turn, fan.pages), value=page))


def _emit_load(turn: Turn, effect: Effect) -> None:
    names = tuple(_page_name(turn, page) for page in range(_fan(turn).pages))
    turn.emit(LoadData(request=effect.id, names=names))


def _page_name(turn: Turn, page: int) -> str:
    return f"{turn.snapshot.step}.answers.{page}"


def _page_branch(page: int) -> int:
    """Return the branch that stands for a page: below those of actions."""
    return -1 - page
