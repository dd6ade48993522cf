"""Changing a copy of the version that serves into the next one: links, identifiers and the history of ids of what was touched."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import numpy as np
import pyarrow as pa

from identity.clustering import Ints, among, distinct
from identity.incremental.pool import Pool
from identity.loading import Loaded
from identity.model import MatchKey
from identity.scratch import registered
from identity.versions.history import RESTORED, RETIRED, History
from identity.versions.publishing import table_name
from identity.versions.stable_ids import NO_IDS, Registry


class AmendedHistory(History):
    """The history of ids where only some were touched: the draft holds that of the version before."""

    touched: Ints = np.empty(0, np.int64)
    """The ids of the version before whose records were looked at, or are gone."""

    _asked, _found = np.empty(0, np.int64), Registry(NO_IDS, NO_IDS)

    def registry(self, ids: Ints) -> Registry:
        if not among(ids, self._asked).all():
            self.look_up(self.con, ids)
        return self._found

    def look_up(self, con: duckdb.DuckDBPyConnection, ids: Ints) -> None:
        """Have at hand what is known of some ids."""
        ids = distinct(ids)
        with registered(con, "asked", pa.table({"id360": ids})):
            self._asked, self._found = ids, self._past(con, "SEMI JOIN asked USING (id360)")

    def close(self) -> None:
        """Retire touched ids that nobody bears now, restore those that came back, redirect merged ones."""
        con, run = self.con, f"{self.run:d}"
        with registered(con, "touched", pa.table({"id360": distinct(self.touched)})):
            con.execute("CREATE TEMP TABLE retiring AS SELECT id360 FROM touched ANTI JOIN living USING (id360)")
        con.execute(
            "CREATE TEMP TABLE restoring AS SELECT h.entity, h.space, h.id360 FROM new.id_history h SEMI JOIN living l USING (id360) "
            "WHERE h.retired_run IS NOT NULL"
        )
        con.execute(
            f"INSERT INTO new.id_event SELECT entity, space, {run}, '{RETIRED}', id360, NULL, NULL FROM new.id_history SEMI JOIN retiring "
            "USING (id360) WHERE retired_run IS NULL AND id360 NOT IN (SELECT old_id FROM ended) ORDER BY id360"
        )
        con.execute(f"UPDATE new.id_history SET retired_run = {run} WHERE retired_run IS NULL AND id360 IN (FROM retiring)")
        if con.execute("SELECT 1 FROM restoring LIMIT 1").fetchall():
            restored = f"SELECT entity, space, {run}, '{RESTORED}', id360, NULL, NULL FROM restoring ORDER BY id360"
            con.execute(f"INSERT INTO new.id_event {restored}")
            con.execute("UPDATE new.id_history SET retired_run = NULL WHERE id360 IN (SELECT id360 FROM restoring)")
        con.execute("DELETE FROM new.redirect WHERE old_id IN (FROM living)")
        con.execute("UPDATE new.redirect SET new_id = e.new_id FROM ended e WHERE e.old_id = redirect.new_id")
        con.execute("UPDATE new.redirect SET new_id = l.new_id FROM led l WHERE l.old_id = redirect.old_id")
        con.execute(f"INSERT INTO new.redirect SELECT entity, space, old_id, new_id, {run} FROM ended ORDER BY old_id")


def amend_links(own: duckdb.DuckDBPyConnection, pool: Pool, i: int, one: Loaded, moved: pa.Table, gone: Ints) -> int:
    """Bring a link table up to date: records that are gone, and those `moved` (rec, gid, id360): new ones, or of another id now.

    Returns how many links there are.
    """
    link, first, keys = pool.links[i], pool.firsts[i], pool.keys(i)
    leaving = pa.table({"ord": np.concatenate([moved.column("gid").to_numpy(), gone]) - first})
    with registered(own, "moved", moved), registered(own, "leaving", leaving):
        own.execute(f"DELETE FROM new.{link.name} WHERE ord IN (FROM leaving)")
        links = f"SELECT {keys}, id360, gid - {first:d} AS ord FROM {one.table} JOIN (SELECT rec, id360 FROM moved) USING (rec)"
        own.execute(f"INSERT INTO new.{link.name} SELECT * FROM ({links}) ORDER BY id360, ord")
    return int(own.execute(f"SELECT count(*) FROM new.{link.name}").fetchall()[0][0])


def amend_identifiers(
    con: duckdb.DuckDBPyConnection,
    pool: Pool,
    entity: str,
    space: str,
    identifiers: Mapping[str, MatchKey],
    ids: Ints,
    touched: Ints,
    crowded: Mapping[str, Ints],
) -> None:
    """The stored identifiers of everybody touched, written anew. `crowded[name]` are recs whose value others have too, who were not."""
    for name, key in identifiers.items():
        table, column = table_name("ident", entity, space, name), pool.columns[key]
        with (
            registered(con, "numbered", pa.table({"rec": np.arange(len(ids)), "id360": ids})),
            registered(con, "touched", pa.table({"id360": distinct(touched)})),
            registered(con, "crowd", pa.table({"rec": crowded.get(name, np.empty(0, np.int64))})),
        ):
            con.execute(f"DELETE FROM new.{table} WHERE id360 IN (FROM touched)")
            con.execute(
                f"INSERT INTO new.{table} SELECT value, id FROM (SELECT {column} AS value, min(id360) AS id, max(id360) AS other "
                f"FROM record JOIN numbered USING (rec) WHERE {column} IS NOT NULL AND rec NOT IN (FROM crowd) GROUP BY value) "
                f"WHERE id = other ORDER BY value"
            )
            con.execute(f'UPDATE new.identifier_table SET "values" = (SELECT count(*) FROM new.{table}) WHERE name = ?', [table])
