"""An explanation as a page of HTML: every pair with its waterfall."""

from __future__ import annotations

from html import escape

from federation.charts import waterfall_picture
from federation.pages import figure, page, section, table
from identity.evidence.waterfall import told_silent
from identity.evidence.why import ClusterEvidence, PairEvidence, Why
from identity.households.reading import HouseholdEvidence


def why_page(found: Why | ClusterEvidence | HouseholdEvidence) -> str:
    """A self-contained page. It holds keys and levels, and no value of a record."""
    if isinstance(found, HouseholdEvidence):
        return _household(found)
    return _two(found) if isinstance(found, Why) else _cluster(found)


def _two(found: Why) -> str:
    verdict = "are one person" if found.same else "are two people"
    ids = str(found.id360_a) if found.same else f"{found.id360_a} and {found.id360_b}"
    parts = [f"<h1>{escape(found.a)} and {escape(found.b)} {verdict}</h1>", f'<p class="note">{ids}</p>']
    parts += [f'<p class="note">They are {escape(str(found.together))}.</p>'] if found.together else []
    parts += [f'<p class="note">For one person spoke {escape(found.spoke)}; {escape(found.kept_apart)}.</p>'] if found.kept_apart else []
    parts += [pair_section(step) for step in found.path]
    if found.direct is not None and found.direct not in found.path:
        parts.append(pair_section(found.direct, "Their own pair: "))
    parts += [pair_section(pair, "Also between the two: ") for pair in found.across]
    return page(f"{found.a} and {found.b}", [*parts, decided(found.decisions)])


def _cluster(found: ClusterEvidence) -> str:
    parts = [f"<h1>{found.id360}</h1>", table(["record"], [[name] for name in found.records])]
    note = f"{found.cohesion:.0%} of all pairs speak for one person; {found.compared} were compared"
    parts.append(section("What holds them together", *(pair_section(p) for p in found.strongest), note=note))
    if found.bridge and found.parts:
        told = f"Without this pair, {found.parts[0]} and {found.parts[1]} records would fall apart."
        parts.append(section("The bridge", pair_section(found.bridge), note=told))
    parts.append(section("Nearly the same person", *(pair_section(p) for p in found.near)))
    return page(str(found.id360), [*parts, decided(found.decisions)])


def _household(found: HouseholdEvidence) -> str:
    people = [[str(person), ", ".join(records)] for person, records in found.people]
    pairs = [[pair.a, pair.b, f"{pair.bits:+.1f}"] for pair in found.pairs]
    note = "Bits: log2 of the odds that the two are of one household, neither one person nor strangers."
    parts = [f"<h1>Household {found.household}</h1>", table(["id360", "records"], people)]
    return page(str(found.household), [*parts, section("Why", table(["record", "record", "bits"], pairs), note=note)])


def pair_section(pair: PairEvidence, before: str = "") -> str:
    """One pair: a heading, its waterfall, what would have turned it."""
    fall = pair.waterfall
    posterior = f"{fall.posterior:.2%} likely" if fall and fall.posterior is not None else ""
    joined = f"joined by {pair.joined}" if pair.joined else ""
    proposed = f"compared because of {'; '.join(pair.proposed)}" if pair.proposed else "compared just now" if pair.live else ""
    parts = [
        f"<h3>{escape(before)}{escape(pair.a)} – {escape(pair.b)}</h3>",
        f'<p class="note">{escape(" · ".join(filter(None, (posterior, joined, proposed))))}</p>',
    ]
    if fall is not None:
        parts.append(figure(waterfall_picture(fall)))
        if silent := told_silent(fall):
            parts.append(f'<p class="note">{escape(f"Nothing either way: {silent}")}</p>')
        parts.append(table(["this pair would say otherwise with", "bits"], [[f"{f.factor}: {f.level}", f.odds] for f in fall.flips]))
    unmet = [[u.rule, ", ".join(u.differ), ", ".join(u.lack)] for u in pair.unmet]
    return "\n".join([*parts, table(["rule that did not apply", "differs", "missing"], unmet)])


def decided(decisions: tuple[str, ...]) -> str:
    """What stewards decided of these records."""
    return section("Decided", table(["decision"], [[d] for d in decisions]))
