"""The objects that c360 ships, the functions that expressions may call, the published schema and the catalog."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from views import functions
from views.checker import checked
from views.describe import catalog, view_names, views, why_unknown
from views.fields import ProjectFields
from views.load import load
from views.model import ATTRIBUTE_TYPES, ObjectType
from views.objects import STANDARD, standard_objects
from views.project_file import read_yaml
from views.schema import PUBLISHED, json_schema, render

GOOD = Path(__file__).parent / "good"
EXPECTED = {
    "individual", "account", "contact_point_email", "contact_point_phone", "contact_point_address", "party_identification", "lead",
    "opportunity", "case", "product", "sales_order", "sales_order_line", "loyalty_account", "loyalty_transaction", "engagement_email",
    "engagement_web", "engagement_call", "consent",
}  # fmt: skip


def test_all_are_there() -> None:
    assert set(standard_objects()) == EXPECTED
    assert {o.name for o in standard_objects().values() if o.entity} == {"individual", "account"}


@pytest.mark.parametrize("path", sorted(STANDARD.glob("*.yml")), ids=lambda p: p.stem)
def test_files_keep_to_the_format(path: Path) -> None:
    root = read_yaml(path, path.name)
    for key, value in (("version", 1), ("name", "standard")):
        root.value[key] = type(root)(value, root.at, root.at)
    checked(root, ProjectFields)


@pytest.mark.parametrize("thing", standard_objects().values(), ids=lambda o: o.name)
def test_every_attribute_is_typed_and_documented(thing: ObjectType) -> None:
    assert thing.description.endswith(".") and thing.key in thing.attributes
    assert len(thing.attributes) >= 8
    for a in thing.attributes.values():
        assert a.type in ATTRIBUTE_TYPES or a.type.startswith("DECIMAL("), a
        assert a.description[0].isupper() and a.description.endswith(".") and "\n" not in a.description, a
        if a.type.startswith("DECIMAL("):  # an amount says what it is in
            assert {"currency", f"{a.name}_currency"} & set(thing.attributes), a
    if thing.entity:
        assert thing.attributes["updated_at"].type == "TIMESTAMP"


@pytest.mark.parametrize("thing", [o for o in standard_objects().values() if o.timeline], ids=lambda o: o.name)
def test_timeline_summaries_run_and_are_text(thing: ObjectType) -> None:
    assert thing.timeline is not None
    columns = ", ".join(f"CAST(NULL AS {a.type}) AS {exp.to_identifier(a.name, quoted=True)}" for a in thing.attributes.values())
    with duckdb.connect() as con:
        row = con.execute(f"SELECT typeof({thing.timeline.summary.sql('duckdb')}) FROM (SELECT {columns})").fetchone()
    assert row == ("VARCHAR",)


def test_case_needs_no_quotes() -> None:
    table = sqlglot.parse_one("SELECT c.status FROM case AS c JOIN case d ON true", dialect="duckdb").find(exp.Table)
    assert table is not None and table.name == "case"
    assert standard_objects()["case"].aliases == ("support_case",)


# -- functions -----------------------------------------------------------------------------------------------------------

SYNTAX = {"cast", "try_cast", "coalesce", "ifnull", "isnull", "extract", "if", "try", "current_time", "current_timestamp",
          "localtime", "localtimestamp"}  # fmt: skip


def duckdb_functions(where: str) -> set[str]:
    with duckdb.connect() as con:
        return {name.lower() for (name,) in con.execute(f"SELECT function_name FROM duckdb_functions() WHERE {where}").fetchall()}


def test_every_permitted_function_exists() -> None:
    known = duckdb_functions("true")
    for names in (functions.SCALAR, functions.STABLE, functions.AGGREGATES, functions.WINDOWS, functions.TABLES):
        assert names - known - SYNTAX <= {"fill"}


def test_no_permitted_function_is_volatile() -> None:
    volatile = duckdb_functions("stability = 'VOLATILE' OR has_side_effects")
    assert not (functions.SCALAR | functions.STABLE | functions.AGGREGATES | functions.WINDOWS) & volatile
    assert not functions.SCALAR & duckdb_functions("stability = 'CONSISTENT_WITHIN_QUERY'")


DANGEROUS = """
    read_csv read_text read_parquet read_blob query query_table getenv getvariable current_setting stats random uuid gen_random_uuid nextval
    currval error json_execute_serialized_sql json_serialize_sql json_serialize_plan sniff_csv glob duckdb_settings duckdb_secrets
    pragma_table_info which_secret parquet_metadata add_parquet_key write_log sleep_ms current_user current_schema version txid_current
    list_aggregate in_search_path vector_type range generate_series has_table_privilege pg_sleep setseed create_sort_key
"""
FRAMES = ("{}", "lower({})", "coalesce(a, {})", "case when {} then 1 end", "a || {}", "[{}]", "cast({} as int)", "a in (1, {})")


@pytest.mark.parametrize("name", DANGEROUS.split())
def test_dangerous_functions_are_seen_and_refused(name: str) -> None:
    """Whatever way it is written, DuckDB is not told to run it."""
    everything = functions.SCALAR | functions.STABLE | functions.AGGREGATES | functions.WINDOWS | functions.TABLES
    tried = 0
    for call, frame in product([f"{s}({a})" for s in (name, name.upper(), f'"{name}"') for a in ("", "'x'", "a, 'x'")], FRAMES):
        try:
            tree = sqlglot.parse_one(frame.format(call), dialect="duckdb")
        except sqlglot.ParseError:
            continue
        written = tree.sql("duckdb")
        refused = {n for n, _ in functions.functions_in(tree)} - everything
        assert refused or name not in written.lower(), written  # sqlglot writes uuid(a, b) as a hash of both
        tried += 1
    assert tried > len(FRAMES)


def test_names_of_derived_tables_are_no_calls() -> None:
    sql = "SELECT coalesce((SELECT max(x) FROM (VALUES (1)) AS v(x)), 0), exists(SELECT 1 FROM t AS u(a)) FROM w AS r(c) WHERE a IN (1)"
    assert {n for n, _ in functions.functions_in(sqlglot.parse_one(sql, dialect="duckdb"))} == {"coalesce", "max"}
    hidden = "SELECT coalesce((SELECT content FROM read_text('x') AS v(x)), 0)"
    assert "read_text" in {n for n, _ in functions.functions_in(sqlglot.parse_one(hidden, dialect="duckdb"))}


# -- schema and catalog --------------------------------------------------------------------------------------------------


def test_the_published_schema_is_up_to_date() -> None:
    assert PUBLISHED.read_text() == render(), "run python -m views.schema"


def test_the_schema_knows_every_field_and_describes_sections() -> None:
    schema = json_schema()
    project = schema["$defs"]["ProjectFields"]
    assert set(read_yaml(GOOD / "c360.yml", "c360.yml").value) <= set(project["properties"])
    assert project["additionalProperties"] is False
    assert schema["$defs"]["SourceFields"]["additionalProperties"] is True
    assert schema["$defs"]["IdentityFields"]["additionalProperties"] == {"$ref": "#/$defs/EntityFields"}
    json.dumps(schema)


def test_catalog_lists_by_area_and_says_what_is_mapped() -> None:
    model = load(GOOD)
    areas = catalog(model)
    assert list(areas) == ["commerce", "custom", "engagement", "loyalty", "party", "privacy", "sales", "service"]
    individual = next(e for e in areas["party"] if e.object.name == "individual")
    assert individual.views == ("individual", "individual_record") == view_names(model, individual.object)
    assert individual.sources == (("crm.public.contact", "resolved by its own key"), ("shop.customer", "resolved by its own key"))
    email = next(a for a in individual.attributes if a.attribute.name == "email")
    assert email.expressions == (("crm.public.contact", "email_address"), ("shop.customer", "mail"))
    assert not next(e for e in areas["sales"] if e.object.name == "lead").mapped


def test_views_have_described_columns() -> None:
    found = {v.name: v for v in views(load(GOOD))}
    assert {"individual", "individual_record", "sales_order", "case", "timeline", "crosswalk"} <= set(found)
    assert "lead" not in found
    for view in found.values():
        assert view.description
        for column in view.columns:
            assert column.description, (view.name, column.name)
    assert "id360" in {c.name for c in found["sales_order"].columns}
    assert "id360" not in {c.name for c in found["product"].columns}


def test_unknown_views_are_explained() -> None:
    model = load(GOOD)
    assert why_unknown(model, "lead") == ("`lead` is a standard object but nothing is mapped to it", "add a mapping with `object: lead`")
    assert why_unknown(model, "subscription")[0] == "`subscription` is your own object but nothing is mapped to it"
    mapping = model.mappings[0]
    assert why_unknown(model, mapping.table)[1] == (
        f"that table is mapped as `{mapping.object}`; as its source has it: `raw.{mapping.source}.{mapping.table}`"
    )
    assert why_unknown(model, "sales_oder") == ("there is no view `sales_oder`", "did you mean `sales_order`?")


def test_the_format_is_read_without_the_query_engine() -> None:
    """`load` is part of every command: it must not import DuckDB."""
    code = "import sys, views.load; sys.exit('duckdb' in sys.modules or 'yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
