"""A trained model as a file: versioned, readable, frozen until somebody asks to train again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from identity.errors import ModelMismatch
from identity.probabilistic.factors import Factor
from identity.probabilistic.training import Model

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with what it was trained on: the factors with their levels, the number of records, what patterns were expected."""

    factors: tuple[tuple[str, tuple[str, ...]], ...]
    model: Model
    records: int

    def fits(self, factors: Sequence[Factor]) -> bool:
        """Whether the model speaks of these factors and levels."""
        return self.factors == described(factors)


def described(factors: Sequence[Factor]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The factors as a model file names them."""
    return tuple((factor.name, factor.levels) for factor in factors)


def save(trained: Trained, path: Path) -> None:
    """Write the model. The file holds shares of levels, and no value of any record."""
    model = trained.model
    document = {
        "format": FORMAT,
        "records": trained.records,
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
                    }
                    for i, level in enumerate(levels)
                ],
            }
            for f, (name, levels) in enumerate(trained.factors)
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(document, indent=1) + "\n")
    draft.replace(path)


def load(path: Path) -> Trained:
    """Read a model. Raises: ModelMismatch, if the file is no model of this format."""
    try:
        document = json.loads(path.read_text())
        if document["format"] != FORMAT:
            raise ValueError
        factors = tuple((f["name"], tuple(level["level"] for level in f["levels"])) for f in document["factors"])
        tables = {
            name: tuple(np.array([level[name] for level in f["levels"]], np.float64) for f in document["factors"])
            for name in ("match", "household", "random")
        }
        shares = tuple(float(document["shares"][name]) for name in ("match", "household", "random"))
        return Trained(factors, Model(**tables, shares=(shares[0], shares[1], shares[2])), int(document["records"]))
    except (KeyError, TypeError, ValueError) as cause:
        raise ModelMismatch(
            f"{path} is no model of format {FORMAT}", hint="train it again with `c360 train`, which writes a new one"
        ) from cause
