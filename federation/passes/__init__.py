"""The passes, in order. Each narrows what is fetched and changes no answer: any subset of them gives the same rows."""

from __future__ import annotations

from collections.abc import Callable, Collection

from connectors.spi.errors import InternalError
from federation.context import Context
from federation.errors import NotSupported
from federation.passes.bind_keys import bind_keys
from federation.passes.copy_filters import copy_filters
from federation.passes.find_candidates import find_candidates
from federation.passes.narrow_ids import narrow_ids
from federation.passes.prune_branches import prune_branches
from federation.passes.prune_columns import prune_columns
from federation.passes.push_filters import push_filters
from federation.passes.push_top import push_top
from federation.query import Query

Pass = Callable[[Query, Context], Query]

PASSES: tuple[Pass, ...] = (
    copy_filters,     # first: all others read what it copied
    narrow_ids,       # an id360 that is given needs no search
    find_candidates,  # only where ids are not given
    prune_columns,    # before the sources' columns are counted
    prune_branches,   # before anything is pushed to a branch that has no row
    push_filters,     # needs the branches that are left
    bind_keys,        # needs the ids, given or to be found
    push_top,         # last: needs to know that all else was exact
)  # fmt: skip

NAMES = tuple(p.__name__ for p in PASSES)


def known(off: Collection[str]) -> tuple[str, ...]:
    """The names of passes to leave out, in order. Raises NotSupported for one that there is none of."""
    off = (off,) if isinstance(off, str) else off
    if strange := sorted(set(off) - set(NAMES)):
        raise NotSupported(f"there is no planner pass `{strange[0]}`", hint=f"passes: {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in off)


def run(query: Query, context: Context, off: Collection[str] = ()) -> Query:
    """Run the passes that are not switched off by name, checking after each that the output columns are what they were."""
    outputs = query.user.named_selects
    for rewrite in PASSES:
        if rewrite.__name__ not in off:
            query = rewrite(query, context)
            if query.user.named_selects != outputs:
                raise InternalError(f"pass `{rewrite.__name__}` changed the query's columns", hint="report this with the query")
    return query
