"""The catalog of a model as markdown: a page per subject area, an index with an ER diagram, the functions that queries may call."""

from __future__ import annotations

from collections.abc import Iterator

from views import functions
from views.describe import AttributeEntry, ObjectEntry, catalog, views
from views.model import Model

FUNCTION_GROUPS = {
    "Text": functions.TEXT, "Numbers": functions.NUMBERS, "Time": functions.TIME, "General": functions.GENERAL,
    "Lists and maps": functions.LISTS,
    "JSON": functions.JSON, "The present moment": functions.STABLE, "Aggregates": functions.AGGREGATES, "Windows": functions.WINDOWS,
    "Tables": functions.TABLES,
}  # fmt: skip


def pages(model: Model, *, mapped_only: bool = False) -> dict[str, str]:
    """Markdown by file name: index.md, and <area>.md for each subject area with something to show."""
    areas = {a: [e for e in entries if e.mapped or not mapped_only] for a, entries in catalog(model).items()}
    areas = {a: entries for a, entries in areas.items() if entries}
    return {"index.md": _index(model, areas), **{f"{area or 'other'}.md": _area(area, entries) for area, entries in areas.items()}}


def functions_page() -> str:
    """What SQL in queries, mappings and policies may call."""
    lines = ["# Functions", "", "What a query may call, besides operators, CASE and CAST. Anything else is refused: C360_FUNCTION_REFUSED."]
    lines += ["The meaning is DuckDB's. Mappings may not call those of the present moment, aggregates, windows or tables."]
    for title, names in FUNCTION_GROUPS.items():
        lines += ["", f"## {title}", "", ", ".join(f"`{n}`" for n in sorted(names))]
    return "\n".join(lines)


def _index(model: Model, areas: dict[str, list[ObjectEntry]]) -> str:
    lines = [f"# {model.name}: the catalog", "", f"{len(model.sources)} sources, {len(model.mappings)} mappings.", ""]
    lines += ["## Views", "", "| view | what it holds | columns |", "| --- | --- | --- |"]
    lines += [f"| `{v.name}` | {_cell(v.description)} | {len(v.columns)} |" for v in views(model)]
    lines += ["", "## Objects by subject area", ""]
    for area, entries in areas.items():
        named = ", ".join(f"**{e.object.name}**" if e.mapped else e.object.name for e in entries)
        lines.append(f"- [{area or 'other'}]({area or 'other'}.md): {named}")
    lines += ["", "In bold: mapped, so SQL can read it.", "", "## How they hang together", "", "```mermaid", *_diagram(areas), "```"]
    lines += ["", "[Functions](functions.md) that queries may call."]
    return "\n".join(lines)


def _diagram(areas: dict[str, list[ObjectEntry]]) -> Iterator[str]:
    """Mapped objects; a line for each way one leads to another."""
    mapped = {e.object.name: e for entries in areas.values() for e in entries if e.mapped}
    yield "erDiagram"
    for name, entry in mapped.items():
        if not entry.object.entity and entry.object.of in mapped:
            yield f"    {entry.object.of} ||--o{{ {name} : id360"
    for name, entry in mapped.items():
        for attribute in (a.attribute for a in entry.attributes if a.expressions):
            target, _, _ = attribute.references.partition(".")
            if target in mapped and target != name:
                yield f"    {target} |o--o{{ {name} : {attribute.name}"
    for name, entry in mapped.items():
        yield f"    {name} {{"
        yield from (f"        {a.attribute.type.partition('(')[0]} {a.attribute.name}" for a in entry.attributes if a.expressions)
        yield "    }"


def _area(area: str, entries: list[ObjectEntry]) -> str:
    lines = [f"# {area or 'other'}"]
    for entry in entries:
        lines += ["", *_object(entry)]
    return "\n".join(lines)


def _object(entry: ObjectEntry) -> Iterator[str]:
    thing = entry.object
    yield f"## {thing.name}"
    yield ""
    yield thing.description
    yield ""
    if not entry.mapped:
        yield f"Nothing is mapped to it. To see it in SQL, add a mapping with `object: {thing.name}`."
    else:
        yield "In SQL: " + ", ".join(f"`{v}`" for v in (*entry.views, *thing.aliases)) + "."
        yield ""
        yield from (f"- from `{table}`, {link}" for table, link in entry.sources)
    yield ""
    yield "| attribute | type | meaning | made of |" if entry.mapped else "| attribute | type | meaning |"
    yield "| --- | --- | --- | --- |" if entry.mapped else "| --- | --- | --- |"
    for attribute in entry.attributes:
        yield _row(attribute, entry.mapped)


def _row(entry: AttributeEntry, mapped: bool) -> str:
    attribute = entry.attribute
    meaning = attribute.description
    if attribute.identifier:
        meaning += f" (Identifier: {attribute.identifier}.)"
    if attribute.references:
        meaning += f" → `{attribute.references}`"
    made = "<br>".join(f"`{_code(table)}`: `{_code(sql)}`" for table, sql in entry.expressions)
    cells = [f"`{attribute.name}`", attribute.type, _cell(meaning), *([made] if mapped else [])]
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _code(text: str) -> str:
    """SQL within backticks within a table."""
    return text.replace("`", "'").replace("|", "\\|").replace("\n", " ")
