"""From text to plan: gateway, passes, cut; with a cache of plans and what they need to run."""

from __future__ import annotations

import datetime as dt
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import duckdb
import pyarrow as pa
from sqlglot import exp

from connectors.spi import Connector
from connectors.spi.errors import SchemaDrift, SourceError
from federation import gateway, parameters, passes
from federation.answers import one_row, table
from federation.context import Context
from federation.cut import cut
from federation.errors import PolicyRefused, UnknownObject
from federation.nobodys import Learned
from federation.plan import QueryPlan, quick
from federation.query import Query, Relation, Scan
from federation.rooms import TrustedRoom, UserRoom
from federation.statements import StatementPool
from identity.crosswalk import Crosswalk
from views import describe
from views.branches import RAW, raw_view
from views.errors import MissingSecret
from views.expand import Views
from views.relations import Branch, Members, Records, Survived, View

NOW_TYPE = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with its pool of prepared statements. `state` is the planned query, for explain and tests. `missing` names sources that
    could not be planned for, with the code of their error: in a partial plan only."""

    plan: QueryPlan
    pool: StatementPool
    state: Query
    missing: Mapping[str, str] = field(default_factory=dict)


class Planner:
    """Plans queries of one project. Thread-safe. Plans are cached by text, parameter types, principal's views and crosswalk.

    Plans that fetch few rows run in `windows`, a trusted room of one thread: for them a second thread is only a hand-over, and
    they do not wait behind large ones.
    """

    def __init__(
        self,
        sources: Callable[[str], Connector],
        trusted: TrustedRoom,
        windows: TrustedRoom,
        user: UserRoom,
        learned: Callable[[Crosswalk | None], Learned] = lambda _: Learned(),
        cached: int = 256,
    ) -> None:
        self._sources, self._trusted, self._windows, self._user, self._limit = sources, trusted, windows, user, cached
        self._learned = learned
        self._cache: OrderedDict[object, Prepared] = OrderedDict()
        self._versions: dict[int, weakref.ref[Crosswalk]] = {}
        self._lock = threading.Lock()

    def prepare(
        self,
        sql: str,
        values: Mapping[str, object],
        views: Views,
        crosswalk: Crosswalk | None,
        off: Collection[str] = (),
        *,
        lift: bool = True,
        partial: bool = False,
    ) -> tuple[Prepared, bool, Mapping[str, object]]:
        """The plan of a query, whether it came from the cache, and all values to bind: with `lift`, ids in the text among them.

        With `partial`, sources that cannot even be described now are left out, and the plan is made anew next time.

        Raises QueryError, PolicyRefused, SourceError (schemas)."""
        self.notice(crosswalk)
        gateway.check_names(sql)
        sql, lifted = parameters.lift_ids(sql) if lift else (sql, {})
        # lifted ids need no place of their own in the key: the text names them, and all are of one type but those that fit none
        types = tuple(sorted((name, str(arrow_type(value))) for name, value in values.items()))
        wide = tuple(name for name, number in lifted.items() if number.bit_length() > 63)
        values = {**values, **lifted}
        key = (sql, types, wide, id(views), crosswalk.version if crosswalk else None, tuple(off))

        def plan() -> Prepared:
            missing: dict[str, str] | None = {} if partial else None
            state, context, params = self.plan_state(sql, values, views, crosswalk, off, missing)
            return self.finish(state, context, params, missing or {})

        return *self._cached(key, plan), values

    def prepare_window(
        self, statements: tuple[str, ...], values: Mapping[str, object], views: Views, crosswalk: Crosswalk | None, *, partial: bool
    ) -> Prepared:
        """One plan for the relations of several statements, each of which reads one view; their user SQL is left aside.

        Tables whose mapping is too slow for a profile (`profile: false`) are left out.
        """

        def plan() -> Prepared:
            missing: dict[str, str] | None = {} if partial else None
            state, context, params = self.plan_state(statements[0], values, views, crosswalk, (), missing)
            relations = [_quick(r) for r in state.relations]
            for i, statement in enumerate(statements[1:], 1):  # one plan binds the values of all: each goes on where the last stopped
                state = self.plan_state(statement, values, views, crosswalk, (), missing, first=i, before=state)[0]
                relations += [_quick(r) for r in state.relations]
            return self.finish(replace(state, relations=tuple(relations)), context, params, missing or {})

        self.notice(crosswalk)
        return self._cached((statements, id(views), crosswalk.version if crosswalk else None), plan)[0]

    def _cached(self, key: object, plan: Callable[[], Prepared]) -> tuple[Prepared, bool]:
        with self._lock:
            found = self._cache.get(key)
            if found is not None:
                self._cache.move_to_end(key)
                return found, True
        try:
            made = plan()
        except SchemaDrift as drift:
            self._sources(drift.source).forget()  # what is known of its tables may be old
            made = plan()
        if not made.missing:
            with self._lock:
                self._cache[key] = made
                if len(self._cache) > self._limit:
                    self._cache.popitem(last=False)[1].pool.close()
        return made, False

    def once(self, key: object, plan: Callable[[], Prepared]) -> Prepared:
        """A plan of another's making, kept under a key like all others."""
        return self._cached(key, plan)[0]

    def notice(self, crosswalk: Crosswalk | None) -> None:
        """Before a plan for this version is asked for: whoever brings back an older state, from a backup, has its numbers given again, to
        other versions. What was kept under such a number is dropped."""
        if crosswalk is None:
            return
        with self._lock:
            known = self._versions.get(crosswalk.version)
            if known is not None and known() is crosswalk:
                return
            self._versions[crosswalk.version] = weakref.ref(crosswalk)
        if known is not None:
            self.forget()
            for room in (self._trusted, self._windows):
                room.forget(crosswalk.version)

    def forget(self) -> None:
        """Drop every cached plan: the crosswalk or a schema has changed."""
        with self._lock:
            for prepared in self._cache.values():
                prepared.pool.close()
            self._cache.clear()

    def plan_state(
        self,
        sql: str,
        values: Mapping[str, object],
        views: Views,
        crosswalk: Crosswalk | None,
        off: Collection[str] = (),
        missing: dict[str, str] | None = None,
        first: int = 0,
        before: Query | None = None,
    ) -> tuple[Query, Context, tuple[str, ...]]:
        """The query after the passes that are not `off`, what they knew, and the names of its parameters.

        If `missing` is given, a source that cannot be described is put there with its error's code instead of failing the query.
        The values of a query planned `before` for the same plan are kept, so that no name of a value is given twice.
        """
        checked = gateway.check(sql, lambda name: self._resolve(name, views), lambda: views.names, first)
        context = self.context(values, crosswalk)
        relations = tuple(self._relation(name, view, context, missing) for name, view in checked.uses.items())
        params = {parameters.NOW: NOW_TYPE, **{n: t for n, v in values.items() if (t := arrow_type(v)) is not None}}
        query = Query(checked.query, relations, params)
        if before is not None:
            query = replace(query, params={**params, **before.params}, constants=before.constants, computed=before.computed)
        return passes.run(query, context, off), context, checked.params

    def finish(self, state: Query, context: Context, params: tuple[str, ...], missing: Mapping[str, str] | None = None) -> Prepared:
        """Cut a planned query and make it ready to run."""
        plan = cut(state, context, params)
        room = self._windows if quick(plan.fetches) else self._trusted
        if context.crosswalk is not None:
            room.attach(context.crosswalk)
            room.learn(self._learned(context.crosswalk).functions)
        return Prepared(plan, StatementPool(room, plan, self._schemas(plan, room)), state, missing or {})

    def context(self, values: Mapping[str, object], crosswalk: Crosswalk | None) -> Context:
        now = dt.datetime.now(dt.UTC)
        return Context(
            table=lambda source, table: self._sources(source).table(table),
            capabilities=lambda source: self._sources(source).capabilities,
            statistics=lambda source, table: self._sources(source).statistics(table),
            evaluate=self.evaluate,
            crosswalk=crosswalk,
            values={parameters.NOW: now, **values},
        )

    def evaluate(self, expression: exp.Expr, values: Mapping[str, object]) -> pa.Scalar | None:
        """The value of a constant expression, computed in the user's room; None if it throws."""
        wanted = {p.name: values[p.name] for p in expression.find_all(exp.Placeholder) if p.name in values}
        cursor = self._user.cursor()
        try:
            return one_row(cursor, f"SELECT {expression.sql('duckdb', comments=False)}", wanted)[0]
        except duckdb.Error:
            return None
        finally:
            cursor.close()

    def _resolve(self, name: str, views: Views) -> View | None:
        parts = name.split(".")
        if parts[0] == RAW and len(parts) > 2:
            return self._raw(parts[1], ".".join(parts[2:]), views)
        found = views.model.object_named(name)
        known = found.name if found is not None and name in found.aliases else name
        view = views.get(known)
        if view is None:
            said, hint = describe.why_unknown(views.model, name)
            raise UnknownObject(said, hint=hint)
        if reason := views.closed(known):
            raise PolicyRefused(f"you may not read `{name}`: {reason}", hint="ask for another purpose or role, or read another view")
        return view

    def _raw(self, source: str, table: str, views: Views) -> View:
        known = {n.lower(): n for n in views.model.sources}
        if source not in known:
            raise UnknownObject(f"there is no source `{source}`", hint=f"sources: {', '.join(known.values())}")
        name = f"{RAW}.{source}.{table}"
        if reason := views.closed(name):
            raise PolicyRefused(f"you may not read `{name}`: {reason}", hint="read the unified views")
        connector = self._sources(known[source])
        tables = {t.lower(): t for t in connector.tables()}
        if table not in tables:
            raise gateway.unknown_object(name, tuple(f"{RAW}.{source}.{t}" for t in tables))
        return raw_view(known[source], connector.table(tables[table]))

    def _relation(self, name: str, view: View, context: Context, missing: dict[str, str] | None = None) -> Relation:
        view = self._learned(context.crosswalk).of(view) if isinstance(view, Survived) else view
        records = view.records if isinstance(view, Survived) else view
        branches = records.branches if isinstance(records, Records) else ()
        scans = []
        for i, branch in enumerate(branches):
            try:
                scans.append(self._scan(f"{name}s{i}", branch, context))
            except (SourceError, MissingSecret) as error:
                if missing is None:
                    raise
                missing[branch.source] = error.code
        people = view.people if isinstance(view, Members) else None
        seen = replace(self._relation(f"{name}p", people, context, missing), columns=("id360",)) if people is not None else None
        return Relation(name, view, tuple(view.types), tuple(scans), people=seen)

    def _scan(self, name: str, branch: Branch, context: Context) -> Scan:
        live = branch.link.live if branch.link is not None else None
        carriers = self._relation(f"{name}v", live, context) if live is not None else None
        return Scan(name, branch, context.table(branch.source, branch.table), carriers)

    def _schemas(self, plan: QueryPlan, room: TrustedRoom) -> dict[str, pa.Schema]:
        schemas = {f.slot: f.schema for f in plan.fetches}
        cursor = room.cursor()
        for lookup in plan.lookups:
            if lookup.search:
                schemas[lookup.slot] = pa.schema([("value", pa.string()), ("id360", pa.int64())])
                continue
            columns = ", ".join(lookup.columns)
            empty = cursor.execute(f"SELECT {columns} FROM xw{plan.crosswalk_version}.main.{lookup.table} LIMIT 0")
            schemas[lookup.slot] = table(empty).schema
        cursor.close()
        return schemas


def _quick(relation: Relation) -> Relation:
    return replace(relation, scans=tuple(s for s in relation.scans if s.branch.profile))


def arrow_type(value: object) -> pa.DataType | None:
    """The Arrow type under which a bound Python value is planned; None for what is never pushed to a source."""
    match value:
        case bool():
            return pa.bool_()
        case int():
            return pa.int64() if value.bit_length() < 64 else None
        case float():
            return pa.float64()
        case str():
            return pa.string()
        case Decimal():
            return _decimal_type(value)
        case dt.datetime():
            return NOW_TYPE if value.tzinfo else pa.timestamp("us")
        case dt.date():
            return pa.date32()
        case dt.time():
            return pa.time64("us")
    return None


def _decimal_type(value: Decimal) -> pa.DataType | None:
    """None for NaN, Infinity, and what no DECIMAL holds."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent < -38 or len(digits) + max(exponent, 0) > 38:
        return None
    return pa.decimal128(38, max(0, -exponent))
