"""Going back: the links of an earlier version become a new version. What was abandoned is remembered, so that no id is ever reused.

Version numbers only go forward. Every id of every kept version stays known: one that the restored version does not bear is retired,
and redirects to the id that now holds most of its records.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from identity.crosswalk import Crosswalk
from identity.errors import CrosswalkDamaged, CrosswalkKey, CrosswalkVersion, NoSuchVersion
from identity.evidence.writing import copy_evidence
from identity.households.mates import copy_mates
from identity.resolve import MEMORY_LIMIT
from identity.run import OF_RECORDS
from identity.scratch import scratch
from identity.versions.changes import flows
from identity.versions.history import MERGED, RESTORED, RETIRED
from identity.versions.models import put_into_use
from identity.versions.publishing import copy_identifiers, copy_links
from identity.versions.store import CrosswalkStore, Draft

UNREADABLE = (CrosswalkDamaged, CrosswalkVersion, CrosswalkKey, NoSuchVersion)


def rollback(store: CrosswalkStore, to: int | None = None, *, memory_limit: str = MEMORY_LIMIT, models: Path | None = None) -> Crosswalk:
    """Let the links of version `to` serve again, as a new version; by default those of the version before the one that serves. The models
    that it was made with come into use in the folder `models`.

    Also the way out when the version that serves is broken; ids that only it knew are then forgotten. A second rollback goes
    further back. Raises: NoSuchVersion; CrosswalkDamaged and CrosswalkVersion, of the version to restore; CrosswalkKey;
    ResolveRunning; ResolveMemory.
    """
    started = time.monotonic()
    made_with: dict[str, str] = {}

    def serve(file: Path, version: int) -> None:
        if models is not None:
            put_into_use(store, models, made_with)  # before: interrupted now, nothing was rolled back, and who tries again goes no further
        store.publish(file, version)

    with scratch(memory_limit) as con, store.write(con, restores=lambda: store.at(to or _before(store)), finish=serve) as draft:
        restored = draft.previous
        assert restored is not None
        made_with |= restored.models
        for links in restored.links:
            copy_links(con, links)
        for identifiers in restored.identifiers:
            copy_identifiers(con, identifiers)
        for households in restored.households:
            copy_links(con, households)
        copy_evidence(con)
        copy_mates(con)
        _remember(con, draft, restored, store)
        con.execute("INSERT OR REPLACE INTO new.meta SELECT key, value FROM old.meta WHERE key IN ('models', 'decisions')")
        con.execute(_RUN, [draft.version, time.monotonic() - started, restored.base, restored.version])
    found = store.current()
    assert found is not None
    return found


def _before(store: CrosswalkStore) -> int:
    """The version that the one which serves was built upon; if that is broken, the newest readable one before it."""
    try:
        current = store.current()
        found = current.base if current else None
    except (CrosswalkDamaged, CrosswalkVersion):
        found = max((c.version for c in _readable(store, store.pointed())), default=None)
    if found is None:
        raise NoSuchVersion("there is no version before the one that serves", hint="`c360 crosswalk` lists those kept")
    return found


def _readable(store: CrosswalkStore, but: int) -> list[Crosswalk]:
    """The other versions that can be read: the one that serves first, then from the newest on."""
    found = []
    for version in sorted(store.versions(), key=lambda v: (v != store.pointed(), -v)):
        if version != but:
            with suppress(*UNREADABLE):
                found.append(store.at(version))
    return found


def _remember(con: duckdb.DuckDBPyConnection, draft: Draft, restored: Crosswalk, store: CrosswalkStore) -> None:
    """Write what any readable version knows of ids: the abandoned ones first, for they know what came after."""
    abandoned = _readable(store, restored.version)
    for nth, crosswalk in enumerate(abandoned):
        crosswalk.attach(con, f"kept{nth}")
    known = [*(f"kept{nth}" for nth in range(len(abandoned))), "old"]
    con.execute(f"CREATE TEMP TABLE heard AS {_all(known, 'id_history')}")
    con.execute(_FATES)
    redirects = _all(known, "redirect")
    con.execute(f"CREATE TEMP TABLE sent AS SELECT old_id, first(new_id ORDER BY nth) AS new_id FROM ({redirects}) GROUP BY old_id")
    flows(con, abandoned[0] if abandoned else None, restored, known[0], "old", households=True)
    con.execute(_HEIRS)
    con.execute(_LEADS)
    run = {"run": draft.version}
    con.execute("INSERT INTO new.id_history SELECT entity, space, id360, minted_run, "
                "CASE WHEN NOT alive THEN coalesce(retired_run, $run) END FROM fate ORDER BY id360", run)  # fmt: skip
    con.execute("INSERT INTO new.redirect SELECT entity, space, id360, new_id, coalesce(run, $run) FROM lead ORDER BY id360", run)
    con.execute(f"INSERT INTO new.id_event SELECT * FROM ({_ENDED} UNION ALL {_RESTORED}) ORDER BY ALL", run)
    con.execute(f"INSERT INTO new.id_event {_union(known, 'id_event')} ORDER BY ALL")
    con.execute(f"INSERT INTO new.run {_union(known, 'run')} ORDER BY run")
    con.execute(
        f"INSERT INTO new.foreign_id SELECT entity, space, foreign_id, first(id360 ORDER BY nth) FROM ({_all(known, 'foreign_id')}) "
        "GROUP BY ALL ORDER BY ALL"
    )
    for nth in range(len(abandoned)):
        con.execute(f"DETACH kept{nth}")


def _all(known: Sequence[str], table: str) -> str:
    return " UNION ALL ".join(f"SELECT {nth} AS nth, * FROM {name}.{table}" for nth, name in enumerate(known))


def _union(known: Sequence[str], table: str) -> str:
    return " UNION ".join(f"SELECT * FROM {name}.{table}" for name in known)


_FATES = """CREATE TEMP TABLE fate AS
SELECT any_value(h.entity) AS entity, any_value(h.space) AS space, h.id360, min(h.minted_run) AS minted_run,
    first(h.retired_run ORDER BY h.nth) AS retired_run, any_value(o.id360) IS NOT NULL AS alive
FROM heard h LEFT JOIN (SELECT id360 FROM old.id_history WHERE retired_run IS NULL) o USING (id360) GROUP BY h.id360"""
"""Every id that anybody knows: when it was retired, as the abandoned version has it, and whether the restored one bears it."""

_HEIRS = """CREATE TEMP TABLE heir AS SELECT was, now, records FROM flow WHERE was IS NOT NULL AND now IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY was ORDER BY records DESC, now) = 1"""
"""The restored id with most of the records of each id of the abandoned version."""

_LEADS = """CREATE TEMP TABLE lead AS
WITH via AS (
    SELECT f.entity, f.space, f.id360, r.new_id AS restored, r.run, if(f.retired_run IS NULL, f.id360, coalesce(s.new_id, f.id360)) AS via
    FROM fate f LEFT JOIN old.redirect r ON r.old_id = f.id360 LEFT JOIN sent s ON s.old_id = f.id360 WHERE NOT f.alive
), led AS (
    SELECT v.entity, v.space, v.id360, v.run, coalesce(CASE WHEN f.alive THEN v.via END, h.now, v.restored, r.new_id) AS new_id
    FROM via v LEFT JOIN fate f ON f.id360 = v.via LEFT JOIN heir h ON h.was = v.via LEFT JOIN old.redirect r ON r.old_id = v.via
)
FROM led WHERE new_id IS NOT NULL"""
"""Where each id that nobody bears now leads: as the abandoned version has it, from there to the heir; else as the restored one."""

_ENDED = f"""SELECT f.entity, f.space, $run, if(h.now IS NULL, '{RETIRED}', '{MERGED}'), f.id360, h.now, h.records
FROM fate f LEFT JOIN heir h ON h.was = f.id360 WHERE NOT f.alive AND f.retired_run IS NULL"""
_RESTORED = f"""SELECT entity, space, $run, '{RESTORED}', id360, NULL, NULL FROM fate WHERE alive AND retired_run IS NOT NULL"""

_RUN = f"""INSERT INTO new.run SELECT $1, now(), (SELECT coalesce(sum(links), 0) FROM new.link_table WHERE {OF_RECORDS}),
    (SELECT count(*) FROM new.id_history WHERE retired_run IS NULL AND {OF_RECORDS}), 0,
    (SELECT count(*) FROM new.id_event WHERE run = $1 AND event = '{MERGED}' AND {OF_RECORDS}),
    (SELECT count(*) FROM new.id_history WHERE retired_run = $1 AND {OF_RECORDS}), $2, $3, $4"""
