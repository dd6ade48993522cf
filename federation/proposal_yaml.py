"""A proposed mapping as YAML, a line each, with remarks for whoever looks it over."""

from __future__ import annotations

import re
from collections.abc import Iterator

from federation.proposals import SURE, Proposal

BARE_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WORDS = """all and as asc between case cast check column default desc distinct else end false from group having in into is join like limit
not null offset on or order primary references select table then to true union unique using when where with"""
RESERVED = frozenset(WORDS.split())
YAML_WORDS = ("null", "true", "false", "yes", "no", "on", "off")


def mapping_yaml(proposal: Proposal) -> list[str]:
    """An entry of `mappings:`, indented as one; `# ?` marks what is unsure."""
    attributes = list(_attributes(proposal))
    return [
        f"  - object: {proposal.object.name}",
        f"    source: {proposal.source}",
        f"    table: {plain_or_quoted(proposal.table.name)}",
        f"    key: {_key(proposal)}",
        *(f"    # ? {remark}" for remark in proposal.unsure),
        *_person(proposal),
        *_where(proposal),
        *(["    attributes:", *attributes] if attributes else ["    attributes: {}"]),
        *([f"    # not used: {', '.join(proposal.unused)}"] if proposal.unused else []),
    ]


def _key(proposal: Proposal) -> str:
    names = [plain_or_quoted(name) for name in proposal.key]
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _person(proposal: Proposal) -> Iterator[str]:
    if proposal.person is not None:
        name, column = proposal.person
        table = f"{{table: {plain_or_quoted(name)}, key: {plain_or_quoted(column)}}}"
        yield f"    person: {table if proposal.by_table else f'{{identifier: {name}, value: {_sql(column)}}}'}"
    elif not proposal.object.entity and proposal.object.of == "individual":
        yield "    person: none"


def _where(proposal: Proposal) -> Iterator[str]:
    if proposal.deleted is not None:
        column = _quoted(proposal.deleted.name)
        kept = {"bool": f"{column} IS DISTINCT FROM true", "int": f"{column} IS DISTINCT FROM 1"}
        said = _scalar(kept.get(proposal.deleted.kind, f"{column} IS NULL"))
        yield f"    where: {said}   # ? leaves out what is marked as deleted"


def _attributes(proposal: Proposal) -> Iterator[str]:
    thing = proposal.object
    if thing.key and len(proposal.key) == 1:
        yield f"      {thing.key}: {_sql(proposal.key[0])}"
    for name, column in proposal.references.items():
        yield f"      {name}: {_sql(column)}"
    chosen = {c.attribute.name: c.column.name for c in proposal.choices}
    if "full_name" in thing.attributes and "full_name" not in chosen and {"first_name", "last_name"} <= set(chosen):
        yield f"      full_name: concat_ws(' ', {_quoted(chosen['first_name'])}, {_quoted(chosen['last_name'])})"
    for choice in proposal.choices:
        written = _quoted(choice.column.name)
        value = _scalar(f"try_cast({written} AS {choice.attribute.type.lower()})" if choice.cast else written)
        unsure = f"   # ? {choice.column.native or choice.column.kind}" if choice.score < SURE or choice.cast else ""
        yield f"      {choice.attribute.name}: {value}{unsure}"


def plain_or_quoted(text: str) -> str:
    """A name as YAML has it."""
    return text if re.fullmatch(r"[A-Za-z_][\w./-]*", text) and text.lower() not in YAML_WORDS else _single(text)


def _quoted(column: str) -> str:
    """A column as SQL names it."""
    return column if BARE_COLUMN.fullmatch(column) and column.lower() not in RESERVED else '"' + column.replace('"', '""') + '"'


def _sql(column: str) -> str:
    return _scalar(_quoted(column))


def _scalar(text: str) -> str:
    """SQL as YAML has it: plain where that is the same text in a mapping of either style."""
    plain = re.fullmatch(r"[A-Za-z_][\w.()]*( [\w.()]+)*", text) and text.lower() not in YAML_WORDS
    return text if plain else _single(text)


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
