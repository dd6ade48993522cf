"""A trained model as a file: versioned, readable, frozen until somebody asks to train again."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from identity.errors import ModelMismatch
from identity.probabilistic.factors import Factor, Floats
from identity.probabilistic.known import Known, as_document, from_document
from identity.probabilistic.training import Model

FORMAT = 2
CLOSE = 1e-3
"""As near to 1 must the levels of a group add up: floors and rounding move them by far less."""
LEFT = 60.0
"""Seconds after which a draft is of nobody who still writes."""
HINT = "train it again with `c360 train`, which writes a new one"


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with what it was trained on: the factors with their levels, and the number of records.

    `attributes` are those compared, each with its kind; `usual[f][level]` is how many matches were seen at a level then; `known` is
    what was counted of single values.
    """

    factors: tuple[tuple[str, tuple[str, ...]], ...]
    model: Model
    records: int
    attributes: tuple[tuple[str, str], ...] = ()
    usual: tuple[Floats, ...] = ()
    known: Known = field(default_factory=Known)

    def fits(self, factors: Sequence[Factor]) -> bool:
        """Whether the model speaks of these factors and levels."""
        return self.factors == described(factors)

    def refuse_unsound(self, factors: Sequence[Factor], name: str) -> None:
        """Raises: ModelMismatch, unless in each group of levels of these factors, which fit, the probabilities add up to 1. `name`s it."""
        for table in (self.model.match, self.model.household, self.model.random):
            for factor, levels in zip(factors, table, strict=True):
                totals = np.bincount(factor.groups, levels)
                if not np.allclose(totals[np.unique(factor.groups)], 1.0, rtol=0, atol=CLOSE):
                    raise ModelMismatch(f"{name}: the levels of {factor.name} do not add up to 1", hint=HINT)

    def digest(self) -> bytes:
        """What tells the model from any other that scores otherwise."""
        known = (*((c, s.values, s.share, s.rare) for c, s in self.known.shares.items()), *self.known.generic.items())
        told = [self.factors, self.records, self.model.shares, self.known.month_first, [column for column, *_ in known]]
        numbers = [*self.model.match, *self.model.household, *self.model.random, *(part for _, *parts in known for part in parts)]
        return hashlib.sha256(repr(told).encode() + b"".join(np.asarray(part).tobytes() for part in numbers)).digest()


def described(factors: Sequence[Factor]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The factors as a model file names them."""
    return tuple((factor.name, factor.levels) for factor in factors)


def save(trained: Trained, path: Path) -> None:
    """Write the model. The file holds shares of levels and keyed hashes of common values, and no value of any record."""
    write_beside(trained, path).replace(path)


def write_beside(trained: Trained, path: Path) -> Path:
    """Write the model whole, to a draft that can take the place of `path`. Raises OSError, which names `path`; then there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(path)
    with _named(path, draft), draft.open("w") as file:
        file.write(json.dumps(_document(trained), indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return draft


def _document(trained: Trained) -> dict[str, Any]:
    model = trained.model
    usual = trained.usual or tuple(np.zeros(len(levels)) for _, levels in trained.factors)
    return {
        "format": FORMAT,
        "records": trained.records,
        "attributes": [list(pair) for pair in trained.attributes],
        "shares": dict(zip(("match", "household", "random"), model.shares, strict=True)),
        "factors": [
            {
                "name": name,
                "levels": [
                    {
                        "level": level,
                        "match": float(model.match[f][i]),
                        "household": float(model.household[f][i]),
                        "random": float(model.random[f][i]),
                        "matches": round(float(usual[f][i]), 3),
                    }
                    for i, level in enumerate(levels)
                ],
            }
            for f, (name, levels) in enumerate(trained.factors)
        ],
        "known": as_document(trained.known),
    }


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A file to write in the block, which takes the place of `path` after it; it is removed if the block raises. Raises OSError, which
    names `path`."""
    draft = _draft(path)
    with _named(path, draft):
        yield draft
        draft.replace(path)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")


@contextmanager
def _named(path: Path, draft: Path) -> Iterator[None]:
    """If the block raises, the draft is removed, and an OSError names `path`."""
    try:
        yield
    except BaseException as error:
        with suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def sweep(folder: Path) -> None:
    """Remove the drafts in a folder that somebody who was killed left."""
    for draft in folder.glob("*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - draft.lstat().st_mtime > LEFT:  # whoever writes one now takes no such time
                draft.unlink()


def load(path: Path) -> Trained:
    """Read a model. Raises: ModelMismatch, if the file is no model of this format, or holds numbers that cannot be."""
    try:
        text = path.read_bytes()
    except OSError as cause:
        raise ModelMismatch(f"the model {path} cannot be read: {cause.strerror}", hint=f"let this user read {path}") from cause
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ValueError
        factors = tuple((f["name"], tuple(level["level"] for level in f["levels"])) for f in document["factors"])
        tables = {
            name: tuple(np.array([level[name] for level in f["levels"]], np.float64) for f in document["factors"])
            for name in ("match", "household", "random", "matches")
        }
        usual = tables.pop("matches")
        attributes = tuple((str(name), str(kind)) for name, kind in document["attributes"])
        match, household, random = (float(document["shares"][name]) for name in ("match", "household", "random"))
        shares = (match, household, random)
        known = from_document(document["known"])
        trained = Trained(factors, Model(**tables, shares=shares), int(document["records"]), attributes, usual, known)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
        raise ModelMismatch(f"{path} is no model of format {FORMAT}", hint=HINT) from cause
    if wrong := _nonsense(trained):
        raise ModelMismatch(f"{path} is no sound model: {wrong}", hint=HINT)
    return trained


def _nonsense(trained: Trained) -> str:
    """What no training gives and no score can be made of; "" if there is nothing."""
    model = trained.model
    for name, share in zip(("match", "household", "random"), model.shares, strict=True):
        if not (np.isfinite(share) and (share > 0 or share == trained.records == 0)):  # of no records there are no pairs
            return f"its share of {name} pairs is no number above 0"
    for name, table in (("match", model.match), ("household", model.household), ("random", model.random)):
        for (factor, _), levels in zip(trained.factors, table, strict=True):
            if not ((levels > 0) & (levels <= 1 + CLOSE)).all():  # NaN is neither
                return f"`{name}` of {factor} is not above 0 and up to 1 on every level"
    if not all((np.isfinite(counts) & (counts >= 0)).all() for counts in trained.usual):
        return "its `matches` are no counts"
    for column, shares in trained.known.shares.items():
        logs = np.append(shares.share, shares.rare)
        if len(shares.values) != len(shares.share) or not (np.isfinite(logs) & (logs <= 0)).all():
            return f"its `known` shares of {column} are no logarithms of shares"
    return ""
