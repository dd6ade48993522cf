"""What became of one id: minted, merged, split, retired, restored, and in which run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from identity.crosswalk import Crosswalk
from identity.errors import UnknownId360

MINTED = "minted"


@dataclass(frozen=True, slots=True)
class Event:
    """What a run (a version's number) did to an id.

    minted: it is new · merged: its records went to `other`, or those of `other` came to it (`came`) · split: its records were
    part of `other` before, or a part of its own left as `other` (`came` False) · retired: its records are gone · restored: it
    came back, by a pin or a rollback. `records` went over.
    """

    run: int
    finished_at: datetime | None
    event: str
    other: int | None
    came: bool
    records: int | None


@dataclass(frozen=True, slots=True)
class Lineage:
    """One id: what stands for it now (None if nobody does), and its events, oldest first."""

    id360: int
    entity: str
    space: str
    now: int | None
    events: tuple[Event, ...]


def lineage(crosswalk: Crosswalk, id360: int) -> Lineage:
    """The lineage of an id as `crosswalk` knows it. Raises: UnknownId360."""
    con = crosswalk.reader
    known = con.execute("SELECT entity, space, minted_run, retired_run FROM xw.id_history WHERE id360 = ?", [id360]).fetchall()
    if not known:
        raise UnknownId360(f"no crosswalk ever gave out the id360 {id360}", hint="`c360 profile email=…` finds the id of a person")
    entity, space, minted_run, retired_run = known[0]
    moments = con.execute("SELECT run, epoch_us(finished_at) FROM xw.run").fetchall()
    times = {run: datetime.fromtimestamp(us / 1e6, UTC) for run, us in moments}
    rows = con.execute(
        "SELECT run, event, other_id, FALSE AS outward, records FROM xw.id_event WHERE id360 = ? "
        "UNION ALL SELECT run, event, id360, TRUE, records FROM xw.id_event WHERE other_id = ? ORDER BY ALL",
        [id360, id360],
    ).fetchall()
    events = [Event(minted_run, times.get(minted_run), MINTED, None, True, None)]
    # a row names what ended (merged) or began (split) first: seen from `other`, records came by the one and left by the other
    events += [
        Event(run, times.get(run), what, other, (what == "merged") == outward, records) for run, what, other, outward, records in rows
    ]
    now = crosswalk.canonical(id360)
    alive = retired_run is None if now == id360 else _alive(crosswalk, now)
    return Lineage(id360, entity, space, now if alive else None, tuple(events))


def _alive(crosswalk: Crosswalk, id360: int) -> bool:
    found = crosswalk.reader.execute("SELECT retired_run FROM xw.id_history WHERE id360 = ?", [id360]).fetchall()
    return bool(found) and found[0][0] is None
