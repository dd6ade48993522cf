"""Two records beside each other, so that a person sees at a glance what they have in common."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from federation.cli.values import plain
from views.model import Attribute, ObjectType

if TYPE_CHECKING:
    from federation.labelling import Question
    from federation.project import Project
    from federation.session import Session

LEGEND = "= same   ~ same but for how it is written   ≠ different   · only one has it"
WIDEST = 60
"""Values are cut at so many characters."""
_SPELT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "ae", "Ö": "oe", "Ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})
_LINEAGE = ("id360", "source", "source_table", "key")


def live_side_by_side(project: Project, session: Session, question: Question) -> list[str]:
    """As `side_by_side`, of two records as their sources have them now and the session may see them."""
    from federation.labelling import live_rows
    from federation.record_sets import needed_attributes

    entity = question.a.table.entity
    names = str(question.a), str(question.b)
    return side_by_side(project.model.objects[entity], needed_attributes(project, entity), names, *live_rows(session, question))


def side_by_side(
    thing: ObjectType, matched: Sequence[str], names: tuple[str, str], one: Mapping[str, Any], other: Mapping[str, Any]
) -> list[str]:
    """The lines for two records of `thing`, {} for one that is gone: the attributes that are matched first, then what else may tell.

    What tells nobody apart is left out: keys, moments, and a full name that repeats first and last name.
    """
    shown = [name for name in _ordered(thing, matched) if _present(one.get(name)) or _present(other.get(name))]
    if all(_repeats(row) for row in (one, other) if row):
        shown = [name for name in shown if name != "full_name"]
    values = [(name, _cut(one.get(name)), _cut(other.get(name))) for name in shown]
    label = max((len(name) for name in shown), default=0)
    width = max([len(names[0]), *(len(a) for _, a, _ in values)])
    lines = ["", f"  {'':{label}}  {names[0]:{width}}    {names[1]}"]
    lines += [
        f"  {name:{label}}  {a:{width}}  {mark(thing.attributes[name], one.get(name), other.get(name))} {b}".rstrip()
        for name, a, b in values
    ]
    return lines if one and other else [*lines, "  (one of them is not in its source any more)"]


def mark(attribute: Attribute, one: Any, other: Any) -> str:
    """How two values compare: see LEGEND.

    >>> phone = Attribute("phone", "VARCHAR", "", identifier="phone")
    >>> [mark(phone, "+49 170 69062385", b) for b in ("+49 170 69062385", "0170/69062385", "0170 5555555", None)]
    ['=', '~', '≠', '·']
    >>> mark(Attribute("last_name", "VARCHAR", ""), "Brüggemann", "BRUEGGEMANN")
    '~'
    """
    if not (_present(one) and _present(other)):
        return "·"
    if one == other:
        return "="
    a, b = _bare(str(one)), _bare(str(other))
    spelt = {_bare(str(text).translate(_SPELT)) for text in (one, other)}
    if attribute.identifier == "phone":  # what is dialled before a national number differs by who dials
        a, b = a[-8:], b[-8:]
    return "~" if a == b or len(spelt) == 1 else "≠"


def _ordered(thing: ObjectType, matched: Sequence[str]) -> list[str]:
    """Attributes that may tell two people apart, in the object's order: those that are matched, then the others."""
    telling = [
        a.name for a in thing.attributes.values() if a.name not in (*_LINEAGE, thing.key) and not a.references and a.type != "TIMESTAMP"
    ]
    return sorted(telling, key=lambda name: name not in matched)


def _present(value: Any) -> bool:
    return value is not None and value != ""


def _cut(value: Any) -> str:
    text = plain(value) if _present(value) else "–"
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _bare(text: str) -> str:
    """Without case, accents and anything but letters and digits."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in folded if c.isalnum())


def _repeats(row: Mapping[str, Any]) -> bool:
    """Whether the full name says nothing beyond first and last name."""
    full, first, last = (_bare(str(row.get(name) or "")) for name in ("full_name", "first_name", "last_name"))
    return not full or full in (first + last, last + first)
