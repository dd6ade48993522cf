"""The limits that refuse a merge, in words."""

from __future__ import annotations

from identity.matching import DECISION, ONE_PER_SOURCE, OUTVOTED, TOO_LARGE


def told_limit(limit: str) -> str:
    """A limit that refused a merge, in words."""
    name, _, of = limit.partition(" ")
    if name == "must_not":
        return f"they differ in {of}, of which one person has one value (must_not)"
    if name == "at_most":
        attribute, _, most = of.rpartition(" ")
        return f"together they would have more than {most} value{'' if most == '1' else 's'} of {attribute} (at_most)"
    if name == ONE_PER_SOURCE:
        return f"{of} holds each person once (one_per_source)"
    if name == TOO_LARGE:
        return f"no person has more than {of} records (largest_cluster)"
    told = {OUTVOTED: "the other pairs between the two outweigh it", DECISION: "a decision kept them apart when this was resolved"}
    return told.get(limit, f"{limit} keeps them apart")
