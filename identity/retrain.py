"""Training a model anew: the records are read and compared as for a resolve, and nothing is published but the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from identity.engines import Engines
from identity.loading import Progress, drop_all, load_all
from identity.matching import Records
from identity.model import MatchRule, RecordSet
from identity.model_use import ModelUse
from identity.scratch import scratch
from identity.versions.store import CrosswalkStore


def retrain(
    records: Sequence[RecordSet],
    rules: Mapping[str, tuple[MatchRule, ...]],
    store: CrosswalkStore,
    engines: Engines,
    *,
    progress: Progress,
    memory_limit: str,
    threads: int | None = None,
) -> tuple[ModelUse, ...]:
    """Train the models of the entities of `records`, one for each space, and keep them; `engines` is to be `anew`.

    Nobody may resolve meanwhile. Raises: ResolveRunning, ResolveMemory, and what the sources raise; then the models stay as they are.
    """
    used = []
    ordered = sorted(records, key=lambda r: r.place)
    with scratch(memory_limit, threads) as con, store.locked():
        for (entity, space), group in groupby(ordered, key=lambda r: (r.entity, r.space)):
            needed = engines.needs(rules.get(entity, ()), entity)
            columns = {key: f"n{i}" for i, key in enumerate(needed)}
            loaded = load_all(con, list(group), columns, progress)
            found = engines.match(Records.of(con, loaded, columns), rules.get(entity, ()), entity, space)
            used += [found.model] if found.model else []
            drop_all(con, loaded)
        engines.save()
    return tuple(used)
