"""The models that versions were made with: DIR/model-<digest>.json beside them, for as long as a version or a plan has it.

The model in use is another file (identity.engines): what `train` learns is in use at once, what a plan learned only once it is applied,
and a rollback puts that of the version restored back into use.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import duckdb

from connectors.spi.errors import C360Error
from identity.errors import ModelMismatch
from identity.probabilistic.model import Trained, drafted, load, save
from identity.versions.store import CrosswalkStore, sync


def note_models(con: duckdb.DuckDBPyConnection, store: CrosswalkStore, used: Mapping[str, Trained]) -> None:
    """Note in the draft attached as `new` by which models it was made, by the names of their files, and keep those beside it."""
    digests = {name: digest_of(trained) for name, trained in sorted(used.items())}
    for name, digest in digests.items():
        if not kept(store, digest).exists():
            save(used[name], kept(store, digest))
    con.execute("INSERT OR REPLACE INTO new.meta VALUES ('models', ?)", [json.dumps(digests)])


def digest_of(trained: Trained) -> str:
    """What a version calls a model."""
    return trained.digest().hex()[:16]


def kept(store: CrosswalkStore, digest: str) -> Path:
    """Where a model that some version was made with is kept."""
    return store.directory / f"model-{digest}.json"


def in_use(folder: Path) -> dict[str, str]:
    """The digests of the models in use, by the names of their files; "" for one that cannot be read."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        found[path.stem] = ""
        with suppress(ModelMismatch):
            found[path.stem] = digest_of(load(path))
    return found


def put_into_use(store: CrosswalkStore, folder: Path, models: Mapping[str, str]) -> tuple[str, ...]:
    """Let the models that a version was made with be used from now on; those in use before stay beside them as `.previous`.

    Returns the names of those that took another's place. One that is not kept (any more) cannot: the one in use stays.
    """
    now, changed = in_use(folder), []
    for name, digest in models.items():
        if now.get(name) != digest and kept(store, digest).is_file():
            path = folder / f"{name}.json"
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists():
                shutil.copyfile(path, path.with_name(f"{path.name}.previous"))
                changed.append(name)
            with drafted(path) as draft:
                shutil.copyfile(kept(store, digest), draft)
                sync(draft)
    return tuple(changed)


def drop_unused(store: CrosswalkStore, more: Mapping[str, str]) -> None:
    """Delete what no version that can be read was made with, nor a plan (which has `more`)."""
    needed = set(more.values())
    for version in store.versions():
        with suppress(C360Error):
            needed |= set(store.at(version).models.values())
    for path in store.directory.glob("model-*.json"):
        if path.stem.removeprefix("model-") not in needed:
            path.unlink(missing_ok=True)
