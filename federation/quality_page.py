"""The quality report as one page of HTML: what was decided, how sure it is, where it may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from federation.charts import calibration_picture, score_picture, size_picture, yield_picture
from federation.pages import figure, numbers, page, section, table
from identity.evidence.document import MODEL
from identity.quality import Score
from identity.stewardship.condition import Condition, Suspect
from identity.stewardship.sampling import Estimate, Interval

BLOCKS = 10
"""The most blocks over the cap that are shown one by one."""


def quality_page(name: str, made: datetime, parts: Sequence[tuple[Condition, Estimate | None]]) -> str:
    """A self-contained page. It holds counts, scores and id360s, and no key and no value of a record."""
    title = f"Who is who in {name}"
    version = parts[0][0].version if parts else 0
    told = [f"<h1>{_escaped(title)}</h1>", f'<p class="note">Crosswalk version {version}, report of {made:%Y-%m-%d %H:%M} UTC</p>']
    for found, estimate in parts:
        told += _entity(found, estimate, many=len(parts) > 1)
    return page(title, told)


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)


def _entity(found: Condition, estimate: Estimate | None, many: bool) -> list[str]:
    heading = f"<h1>{_escaped(found.entity + (f', {found.space}' if found.space else ''))}</h1>" if many else ""
    return [
        heading,
        _as_of(found),
        numbers(_summary(found, estimate)),
        _scores(found),
        section("Records per person", figure(size_picture(found.sizes)), note=f"The largest has {found.largest:,}."),
        _yields(found),
        section(
            "May be several people", table(["id360", "records", "why", "weakest link, bits"], [_merged(s) for s in found.over_merged]),
            note="People who hang on one pair, or of whose pairs few speak for one person: `c360 why ID360` shows each.",
        ),
        section(
            "May be one person", table(["id360", "id360", "records", "why", "bits"], [_split(s) for s in found.over_split]),
            note="Two people whose best pair comes near, or whom a limit keeps apart: `c360 review` lists the pairs, and settles them.",
        ),
        _judged(found),
        _values(found),
    ]  # fmt: skip


def _as_of(found: Condition) -> str:
    """What is not of this version, where a resolve looked only at what changed."""
    return f'<p class="note">{_escaped(as_of(found))}</p>' if as_of(found) else ""


def as_of(found: Condition) -> str:
    """Of which run the figures are that an incremental resolve does not count anew; nothing if all are of this version."""
    if found.run in (0, found.version):
        return ""
    return (
        f"Scores, what is expected, yields of rules, columns to look at, values of nobody and drift are those of run "
        f"{found.run}, the last that matched all records; records, people and suspects are those of version {found.version}."
    )


def _summary(found: Condition, estimate: Estimate | None) -> list[tuple[str, str]]:
    told = [("records", f"{found.records:,}"), ("people", f"{found.persons:,}")]
    told += [("pairs compared", f"{found.compared:,}")] if found.engine == MODEL else []
    told += [("expected precision", f"{found.precision:.2%}")] if found.precision is not None else []
    told += [("expected recall", f"{found.recall:.2%}")] if found.recall is not None else []
    if estimate is not None and estimate.labelled:
        told.append(("precision by labels", _interval(estimate.precision)))
        told += [("recall by labels", _interval(estimate.recall))] if estimate.recall is not None else []
    return told


def _interval(found: Interval) -> str:
    return f"{found.estimate:.1%} ({100 * found.low:.0f}–{found.high:.0%})"


def _scores(found: Condition) -> str:
    if found.engine != MODEL:
        return ""
    note = "Pairs that were compared, by the odds that they are one person; logarithmic. In colour: pairs of one person; grey: of two."
    return section("Scores", figure(score_picture(found.first_bit, found.inside, found.across)), note=note)


def _yields(found: Condition) -> str:
    rules = [(r.rule, r.pairs, 0) for r in found.rules]
    blocking = sorted(((p.rule, p.pairs, p.alone) for p in found.proposals), key=lambda r: -r[1])
    over = [[p.rule, p.oversize_blocks, p.left_out] for p in found.proposals if p.oversize_blocks]
    largest = sorted(((p.rule, name, n) for p in found.proposals for name, n in p.largest), key=lambda b: (-b[2], b[0]))[:BLOCKS]
    blocks = [[rule, f"#{name}", n] for rule, name, n in largest]
    return section(
        "What the rules found",
        figure(yield_picture(rules), "Pairs that exact rules linked.") if rules else "",
        figure(yield_picture(blocking), "Pairs that blocking rules had compared; in colour those that no other rule proposed.")
        if blocking
        else "",
        table(["rule with blocks over the cap", "blocks", "records not compared by it"], over),
        table(["largest blocks not compared, by rule", "keyed hash", "records"], blocks),
    )


def _merged(suspect: Suspect) -> list[object]:
    return [str(suspect.id360), suspect.records, suspect.why, "" if suspect.odds is None else f"{suspect.odds:+.1f}"]


def _split(suspect: Suspect) -> list[object]:
    return [str(suspect.id360), str(suspect.other), suspect.records, suspect.why, "" if suspect.odds is None else f"{suspect.odds:+.1f}"]


def _judged(found: Condition) -> str:
    judged = found.judged
    if judged is None:
        return ""
    rows = [[name, *_score(score)] for name, score in (("pairwise", judged.pairwise), ("B-cubed", judged.bcubed)) if score]
    note = f"Over {judged.pairs:,} labelled pairs alone; the estimates above weigh them back to all." if judged.pairs else ""
    note = note or f"Over the {judged.records:,} records of which it is known who they are."
    plot = judged.calibration
    caption = f"Calibration error {plot.error:.3f}: 0 if of pairs scored 70 %, 7 in 10 are one person." if plot else ""
    picture = figure(calibration_picture(plot.bins), caption) if plot and plot.bins else ""
    return section("Against labels", table(["", "precision", "recall", "F1"], rows), picture, note=note)


def _score(score: Score) -> list[str]:
    return [f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}"]


def _values(found: Condition) -> str:
    shared = [[s.rule, f"#{s.keyed_hash}", s.records, "links nobody"] for s in found.shared]
    shared += [[g.attribute, f"#{g.keyed_hash}", g.records, "not compared"] for g in found.generic]
    drift = [[d.factor, d.level, f"{d.was:.1%}", f"{d.now:.1%}"] for d in found.drift]
    odd = [[f"{f.source}.{f.table}", f.attribute, f.expected, f.records, f.values, f.values - f.fitting] for f in found.fits if f.told]
    odd_note = "Attributes without any value, and those of which many values are not what they are matched as: look at their mappings."
    return "\n".join(
        [
            section(
                "Columns to look at", table(["table", "attribute", "matched as", "records", "values", "do not fit"], odd), note=odd_note
            ),
            section("Values of nobody", table(["of", "keyed hash", "records", ""], shared), note="Switchboards, info@, placeholders."),
            section("Drift of the model", table(["factor", "level", "in training", "now"], drift), note="`c360 train` trains anew."),
        ]
    )
