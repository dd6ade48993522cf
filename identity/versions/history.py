"""What becomes of ids: who was minted, merged, split off, retired or restored, run by run; and where each old id leads now.

One `History` accompanies the writing of a version, and carries on what the version before knew.
"""

from __future__ import annotations

from functools import cached_property

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from identity.clustering import Ints, among
from identity.errors import ContradictoryDecisions
from identity.scratch import registered
from identity.versions.stable_ids import NO_IDS, Registry

MERGED, SPLIT, RETIRED, RESTORED = "merged", "split", "retired", "restored"


class History:
    """The history of ids in the draft that is attached to `con` as `new`; `old` is the version before, if `carries_on`."""

    def __init__(self, con: duckdb.DuckDBPyConnection, run: int, carries_on: bool) -> None:
        self.con, self.run, self.carries_on = con, run, carries_on
        self._minted = np.empty(0, np.int64)
        con.execute("CREATE TEMP TABLE living (id360 BIGINT)")
        con.execute("CREATE TEMP TABLE ended (entity VARCHAR, space VARCHAR, old_id BIGINT, new_id BIGINT)")
        con.execute("CREATE TEMP TABLE led (old_id BIGINT, new_id BIGINT)")

    def registry(self, ids: Ints) -> Registry:
        """What is known of some ids from before this run; perhaps of others too."""
        return self._registry

    def taken(self, ids: Ints) -> npt.NDArray[np.bool_]:
        """Which of some ids there ever were, those minted in this run too."""
        return among(ids, self.registry(ids).ids) | np.isin(ids, self._minted)

    @cached_property
    def _registry(self) -> Registry:
        """Every id there ever was."""
        return self._past(self.con) if self.carries_on else Registry(NO_IDS, NO_IDS)

    def _past(self, con: duckdb.DuckDBPyConnection, which: str = "") -> Registry:
        past = con.execute(f"SELECT id360, minted_run FROM old.id_history {which} ORDER BY id360").fetchnumpy()
        return Registry(np.asarray(past["id360"], np.int64), np.asarray(past["minted_run"], np.int64))

    def refuse_pins_of_others(self, entity: str, space: str, pins: Ints) -> None:
        """Raises: ContradictoryDecisions, if an id that records of this (entity, space) are pinned to is one of another."""
        if not self.carries_on or not len(pins):
            return
        with registered(self.con, "pin", pa.table({"id360": pa.array(pins)})):
            others = self.con.execute(
                "SELECT id360, entity FROM old.id_history SEMI JOIN pin USING (id360) WHERE (entity, space) <> (?, ?) ORDER BY ALL",
                [entity, space],
            ).fetchall()
        for id360, other in others:
            raise ContradictoryDecisions(
                f"a record of {entity} is pinned to {id360}, which is an id of {other}" + ("" if other != entity else " in another space"),
                hint="`c360 decide list` shows the pin; withdraw it with `c360 decide undo ID --reason …`",
            )

    def record(
        self, entity: str, space: str, minted: Ints, living: Ints, merged: tuple[Ints, Ints, Ints], split: tuple[Ints, Ints, Ints]
    ) -> None:
        """Note what a run did to the ids of one (entity, space). `merged`: ids that ended, their heirs, records that went over;
        `split`: new ids, those whose records they took, how many."""
        self._minted = np.concatenate([self._minted, minted])
        place = [entity, space]
        with registered(self.con, "minted", pa.table({"id360": pa.array(minted)})):
            self.con.execute(f"INSERT INTO new.id_history SELECT ?, ?, id360, {self.run:d}, NULL FROM minted ORDER BY id360", place)
        with registered(self.con, "alive", pa.table({"id360": pa.array(living)})):
            self.con.execute("INSERT INTO living SELECT id360 FROM alive")
        for event, (ids, others, records) in ((MERGED, merged), (SPLIT, split)):
            rows = pa.table({"id360": pa.array(ids), "other_id": pa.array(others), "records": pa.array(records)})
            with registered(self.con, "happened", rows):
                self.con.execute(
                    f"INSERT INTO new.id_event SELECT ?, ?, {self.run:d}, '{event}', id360, other_id, records FROM happened ORDER BY ALL",
                    place,
                )
                if event == MERGED:
                    self.con.execute("INSERT INTO ended SELECT ?, ?, id360, other_id FROM happened", place)

    def lead(self, ended: Ints, living: Ints) -> None:
        """Ids that ended in an earlier run, and who has their records now."""
        with registered(self.con, "led_now", pa.table({"old_id": ended, "new_id": living})):
            self.con.execute("INSERT INTO led FROM led_now")

    def close(self) -> None:
        """Carry on: earlier ids, retired where nobody bears them now; redirects, compressed; earlier events; foreign ids; runs."""
        if self.carries_on:
            self._carry_ids()
            self.con.execute("INSERT INTO new.id_event SELECT * FROM old.id_event ORDER BY ALL")
            self.con.execute("INSERT INTO new.foreign_id SELECT * FROM old.foreign_id ORDER BY ALL")
            self.con.execute("INSERT INTO new.run SELECT * FROM old.run ORDER BY run")
        self._carry_redirects()

    def _carry_ids(self) -> None:
        """Earlier ids with their fates; RETIRED are those whose records are gone, RESTORED those that came back (a pin, a rollback)."""
        run = f"{self.run:d}"
        fates = "CREATE TEMP TABLE fate AS SELECT h.*, l.id360 IS NOT NULL AS alive FROM old.id_history h LEFT JOIN living l USING (id360)"
        self.con.execute(fates)
        self.con.execute(
            "INSERT INTO new.id_history SELECT entity, space, id360, minted_run, "
            f"CASE WHEN NOT alive THEN coalesce(retired_run, {run}) END FROM fate ORDER BY id360"
        )
        self.con.execute(
            f"INSERT INTO new.id_event SELECT entity, space, {run}, if(alive, '{RESTORED}', '{RETIRED}'), id360, NULL, NULL FROM fate "
            "WHERE alive = (retired_run IS NOT NULL) AND id360 NOT IN (SELECT old_id FROM ended) ORDER BY id360"
        )
        self.con.execute("DROP TABLE fate")

    def _carry_redirects(self) -> None:
        redirects = f"SELECT entity, space, old_id, new_id, {self.run:d} AS run FROM ended"
        if self.carries_on:
            redirects += (
                " UNION ALL SELECT o.entity, o.space, o.old_id, coalesce(l.new_id, e.new_id, o.new_id), o.run FROM old.redirect o "
                "LEFT JOIN led l ON l.old_id = o.old_id LEFT JOIN ended e ON e.old_id = o.new_id WHERE o.old_id NOT IN (FROM living)"
            )
        self.con.execute(f"INSERT INTO new.redirect SELECT * FROM ({redirects}) ORDER BY old_id")
