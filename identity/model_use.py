"""What a resolve did with a model: what was compared, what the model made of it, and whether it still fits the data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BlockingYield:
    """What one blocking rule did: pairs it proposed for comparison, pairs that no other rule proposed, blocks over the cap, and
    records of those that it left out after it had cut them further. `largest` are blocks that were left out, by a keyed hash of what
    their records agree in, with their number of records."""

    entity: str
    space: str
    rule: str
    pairs: int
    alone: int
    oversize_blocks: int
    left_out: int
    largest: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class GenericCount:
    """A value that is nobody's (info@, 1970-01-01), on `records` records: it neither links nor is compared. `keyed_hash` tells
    values apart without showing them: HMAC-SHA256 under the project's secret, 16 hex digits."""

    attribute: str
    keyed_hash: str
    records: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A factor of which the pairs that the model takes for matches no longer look as they did in training.

    `index` is the population stability index, less what chance gives; `level` is what changed most, from the share `was` of
    matches to the share `now`.
    """

    factor: str
    index: float
    level: str
    was: float
    now: float


@dataclass(frozen=True, slots=True)
class ModelUse:
    """One model in one run. `trained` says that it was made in this run, from `trained_on` records, and not loaded.

    `matches` and `households` are how many of the `pairs` that were compared are, by the model's account, one person or two of
    one household. `attributes` are those compared, with the kind of each. `suspect` are values that look like nobody's and did not in
    training: they count until the model is trained again.
    """

    entity: str
    space: str
    trained: bool
    trained_on: int
    records: int
    pairs: int
    matches: float
    households: float
    attributes: dict[str, str] = field(default_factory=dict)
    drift: tuple[Drift, ...] = ()
    generic: tuple[GenericCount, ...] = ()
    suspect: tuple[GenericCount, ...] = ()

    @property
    def outgrown(self) -> bool:
        """Whether there are more than twice, or less than half, as many records as the model was trained on."""
        return not self.trained_on / 2 <= self.records <= self.trained_on * 2
