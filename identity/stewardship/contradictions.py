"""Decisions that cannot all be true: a chain of `same` between records that are `different`, or that are pinned to two ids."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence

from identity.errors import ContradictoryDecisions
from identity.stewardship.decisions import DIFFERENT, PIN, Decision, RecordName

Named = Callable[[Decision, RecordName], Hashable]
Links = Mapping[Hashable, Sequence[tuple[Hashable, Decision]]]


def refuse_contradictions(active: Sequence[Decision], named: Named | None = None) -> None:
    """Raises: ContradictoryDecisions, naming those that cannot all hold, if some cannot. `named` as in `contradiction`."""
    if found := contradiction(active, named or _by_key):
        raise ContradictoryDecisions(
            "these decisions cannot all hold: " + ", ".join(str(d) for d in found),
            hint="withdraw one of them: `c360 decide undo ID --reason …`",
        )


def contradiction(active: Sequence[Decision], named: Named) -> tuple[Decision, ...]:
    """A shortest chain of decisions that contradict each other; () if none do.

    A pin links its record to its id, so that records pinned to one id are the same. `named` tells which record a name means, None
    if there is no such record.
    """
    links: dict[Hashable, list[tuple[Hashable, Decision]]] = {}
    apart: list[tuple[Hashable, Hashable, Decision]] = []
    for decision in active:
        one = named(decision, decision.a)
        other = ("id360", decision.id360) if decision.b is None else named(decision, decision.b)
        if one is None or other is None:
            continue
        if decision.verdict == DIFFERENT:
            apart.append((one, other, decision))
        else:
            links.setdefault(one, []).append((other, decision))
            links.setdefault(other, []).append((one, decision))
    for one, other, decision in apart:
        if one == other or (chain := _path(links, one, {other})):
            return (*(() if one == other else chain), decision)
    ids = {("id360", d.id360): d for d in active if d.verdict == PIN}
    return next((chain for id360 in ids if (chain := _path(links, id360, ids.keys() - {id360}))), ()) or _two_places(active)


def _path(links: Links, start: Hashable, ends: set[Hashable] | set[tuple[str, int | None]]) -> tuple[Decision, ...]:
    """The decisions on a shortest way from `start` to one of the `ends`; () if there is none."""
    waiting: deque[tuple[Hashable, tuple[Decision, ...]]] = deque([(start, ())])
    seen = {start}
    while waiting:
        at, way = waiting.popleft()
        if at in ends:
            return way
        for beyond, decision in links.get(at, ()):
            if beyond not in seen:
                seen.add(beyond)
                waiting.append((beyond, (*way, decision)))
    return ()


def _two_places(active: Sequence[Decision]) -> tuple[Decision, ...]:
    """Two pins that give one id to records of different entities or spaces."""
    first: dict[int | None, Decision] = {}
    for pin in (d for d in active if d.verdict == PIN):
        other = first.setdefault(pin.id360, pin)
        if (other.entity, other.space) != (pin.entity, pin.space):
            return other, pin
    return ()


def _by_key(decision: Decision, record: RecordName) -> Hashable:
    return decision.entity, decision.space, record
