"""Changing a copy of the version that serves into the next one: links, identifiers and the history of ids of what was touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from identity.clustering import Ints
from identity.incremental.changed_records import Pool
from identity.loading import Loaded
from identity.model import MatchKey
from identity.scratch import registered
from identity.versions.history import RESTORED, RETIRED, History
from identity.versions.publishing import table_name


class AmendedHistory(History):
    """The history of ids where only some were touched: the draft holds that of the version before."""

    touched: Ints = np.empty(0, np.int64)
    """The ids of the version before whose records were looked at, or are gone."""

    def close(self) -> None:
        """Retire touched ids that nobody bears now, restore those that came back, redirect merged ones."""
        con, run = self.con, f"{self.run:d}"
        with registered(con, "touched", pa.table({"id360": np.unique(self.touched)})):
            con.execute("CREATE TEMP TABLE retiring AS SELECT id360 FROM touched ANTI JOIN living USING (id360)")
        con.execute(
            "CREATE TEMP TABLE restoring AS SELECT h.entity, h.space, h.id360 FROM new.id_history h SEMI JOIN living l USING (id360) "
            "WHERE h.retired_run IS NOT NULL"
        )
        con.execute(
            f"INSERT INTO new.id_event SELECT entity, space, {run}, '{RETIRED}', id360, NULL, NULL FROM new.id_history SEMI JOIN retiring "
            "USING (id360) WHERE retired_run IS NULL AND id360 NOT IN (SELECT old_id FROM ended) ORDER BY id360"
        )
        con.execute(f"INSERT INTO new.id_event SELECT entity, space, {run}, '{RESTORED}', id360, NULL, NULL FROM restoring ORDER BY id360")
        con.execute(f"UPDATE new.id_history SET retired_run = {run} WHERE retired_run IS NULL AND id360 IN (FROM retiring)")
        con.execute("UPDATE new.id_history SET retired_run = NULL WHERE id360 IN (SELECT id360 FROM restoring)")
        con.execute("DELETE FROM new.redirect WHERE old_id IN (FROM living)")
        con.execute("UPDATE new.redirect SET new_id = e.new_id FROM ended e WHERE e.old_id = redirect.new_id")
        con.execute(f"INSERT INTO new.redirect SELECT entity, space, old_id, new_id, {run} FROM ended ORDER BY old_id")


def amend_links(pool: Pool, loaded: Sequence[Loaded], ids: Ints, before: Ints, gone: Ints) -> None:
    """Bring the link tables up to date: records that are gone, new ones, and those that have another id now."""
    con = pool.con
    moved = np.flatnonzero(ids != before)
    with (
        registered(con, "moved", pa.table({"rec": moved, "id360": ids[moved]})),
        registered(con, "gone", pa.table({"gid": gone})),
    ):
        for i, (one, link, first) in enumerate(zip(loaded, pool.links, pool.firsts, strict=True)):
            links = f"SELECT gid - {first:d} AS ord, {pool.keys(i)}, id360 FROM {one.table} JOIN moved USING (rec)"
            con.execute(f"CREATE OR REPLACE TEMP TABLE moving AS {links}")
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE leaving AS SELECT ord FROM old.{link.name} "
                f"WHERE ord IN (SELECT ord FROM moving UNION ALL SELECT gid - {first:d} FROM gone)"
            )
            con.execute(f"DELETE FROM new.{link.name} WHERE ord IN (FROM leaving)")
            con.execute(f"INSERT INTO new.{link.name} SELECT {pool.keys(i)}, id360, ord FROM moving ORDER BY id360, ord")
            con.execute(
                f"UPDATE new.link_table SET links = (SELECT count(*) FROM new.{link.name}), personal = ? WHERE name = ?",
                [pool.personal(i, one), link.name],
            )


def amend_identifiers(
    pool: Pool,
    entity: str,
    space: str,
    identifiers: Mapping[str, MatchKey],
    ids: Ints,
    touched: Ints,
    crowded: Mapping[str, Ints],
) -> None:
    """The stored identifiers of everybody touched, written anew. `crowded[name]` are recs whose value is on too many records."""
    con = pool.con
    for name, key in identifiers.items():
        table, column = table_name("ident", entity, space, name), pool.columns[key]
        with (
            registered(con, "numbered", pa.table({"rec": np.arange(len(ids)), "id360": ids})),
            registered(con, "touched", pa.table({"id360": np.unique(touched)})),
            registered(con, "crowd", pa.table({"rec": crowded.get(name, np.empty(0, np.int64))})),
        ):
            con.execute(f"DELETE FROM new.{table} WHERE id360 IN (FROM touched)")
            con.execute(
                f"INSERT INTO new.{table} SELECT value, id FROM (SELECT {column} AS value, min(id360) AS id, max(id360) AS other "
                f"FROM record JOIN numbered USING (rec) WHERE {column} IS NOT NULL AND rec NOT IN (FROM crowd) GROUP BY value) "
                f"WHERE id = other ORDER BY id, value"
            )
            con.execute(f'UPDATE new.identifier_table SET "values" = (SELECT count(*) FROM new.{table}) WHERE name = ?', [table])
