"""A project that uses the whole format, spread over files, and what comes out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from identity.model import MatchKey
from views.errors import MissingSecret
from views.load import load
from views.model import ForeignKey, Identifier, Mapping, Model, OwnKey, SurvivorshipRule

GOOD = Path(__file__).parent / "good"


@pytest.fixture(scope="module")
def model() -> Model:
    return load(GOOD / "c360.yml")


def mapping(model: Model, object_: str) -> Mapping:
    (found, *_) = model.mappings_of(object_)
    return found


def test_a_directory_is_its_project(model: Model) -> None:
    assert load(GOOD).name == model.name == "acme"
    assert model.root == str(GOOD.resolve())
    assert model.state == str(GOOD.resolve() / ".c360")


def test_included_objects_add_up(model: Model) -> None:
    individual = model.objects["individual"].attributes
    assert individual["loyalty_tier"].type == "VARCHAR"
    assert (individual["patient_number"].identifier, individual["patient_number"].normal) == ("patient", "digits")
    assert model.objects["subscription"].attributes["price"].type == "DECIMAL(18,2)"
    assert model.objects["subscription"].key == "subscription_id"
    entry = model.objects["subscription"].timeline
    assert entry and entry.summary.sql("duckdb") == "'subscribed to ' || plan"
    assert model.objects["household"].entity == model.objects["household"].of == "household"
    assert model.object_named("support_case") is model.objects["case"]


def test_links(model: Model) -> None:
    assert mapping(model, "individual").link == OwnKey()
    assert mapping(model, "contact_point_email").link == ForeignKey("public.contact", ("id",))  # its own table is resolved
    assert mapping(model, "sales_order").link == ForeignKey("customer", ("tenant", "customer_id"))
    assert mapping(model, "sales_order_line").link is None
    assert mapping(model, "product").link is None
    by_email = mapping(model, "engagement_email").link
    assert isinstance(by_email, Identifier)
    assert (by_email.identifier, by_email.store, by_email.normalised, by_email.normal) == ("email", False, False, "email")
    assert by_email.value.sql("duckdb") == "LOWER(TRIM(email))"
    stored = mapping(model, "case").link
    assert isinstance(stored, Identifier) and stored.store and stored.normalised


def test_mappings(model: Model) -> None:
    crm, shop = model.mappings_of("individual")
    assert crm.attributes["full_name"].sql("duckdb") == "first_name || ' ' || last_name"
    assert crm.attributes["individual_id"].sql("duckdb") == '"id"'  # the object's key is the table's, if nothing else is mapped to it
    assert "individual_id" not in shop.attributes  # a composite key is no one attribute
    assert crm.where is not None and crm.where.sql("duckdb") == "deleted_at IS NULL"
    assert (crm.timezone, shop.timezone, mapping(model, "sales_order").timezone) == ("Europe/Berlin", "America/New_York", "UTC")
    assert mapping(model, "contact_point_email").attributes["is_primary"].sql("duckdb") == "TRUE"
    assert not mapping(model, "engagement_email").profile
    place = crm.places["email"]
    assert (place.line, place.column) == (30, 14)


def test_rules_and_survivorship(model: Model) -> None:
    rules = {r.name: r.parts for r in model.rules["individual"]}
    assert rules["email"] == (MatchKey("email", "email"),)
    assert [p.normal for p in rules["last_name+birth_date+postal_code"]] == ["name", "date", "postcode"]
    assert rules["british-phone"] == (MatchKey("phone", "phone(GB)"), MatchKey("last_name", "lower"))
    survivorship = model.survivorship["individual"]
    assert survivorship.rule("phone") is SurvivorshipRule.PRIORITY and survivorship.order("phone") == ("shop", "crm")
    assert survivorship.rule("full_name") is SurvivorshipRule.LONGEST and survivorship.order("full_name") == ("crm", "shop")
    assert survivorship.rule("city") is SurvivorshipRule.LATEST


def test_policies_and_settings(model: Model) -> None:
    german, raw = model.policies
    assert german.filter is not None and german.filter.sql("duckdb").startswith("country = 'DE'")  # as the attribute is written
    assert german.masks["birth_date"].sql("duckdb") == "NULL"
    assert raw.objects == ("raw", "crosswalk") and raw.deny
    assert model.principals == {"ana": ("analyst",), "root": ("admin", "analyst")}
    assert model.settings == {"timeout": 90.0, "memory": 512 * 2**20, "max_rows": 100_000}


def test_a_secret_is_resolved_when_it_is_read(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    options = model.sources["crm"].options
    monkeypatch.setenv("C360_TEST_PASSWORD", "swordfish")
    assert options["uri"] == "postgresql://reader:swordfish@db/crm"
    monkeypatch.setenv("C360_TEST_PASSWORD", "tuna-melt")
    assert dict(options) == {"uri": "postgresql://reader:tuna-melt@db/crm", "connections": 4}
    assert "tuna-melt" not in repr(model) and "tuna-melt" not in repr(options) and "tuna-melt" not in f"{model.sources}"


def test_a_missing_secret_stops_its_source_alone(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("C360_TEST_PASSWORD", raising=False)
    monkeypatch.delenv("C360_TEST_SECRET", raising=False)
    with pytest.raises(MissingSecret, match=r"all.yml:5:10: source `crm`: the environment variable C360_TEST_PASSWORD is not set"):
        model.sources["crm"].options["uri"]
    assert model.sources["shop"].options["path"] == str(GOOD.resolve() / "data/shop.db")
    marketing = model.sources["marketing"].options
    here = GOOD.resolve()
    assert marketing["tables"] == {
        "events": {"path": str(here / "events/*.parquet")},
        "points": str(here / "points.csv"),
        "lake": {"path": "s3://lake/x"},
    }
    assert model.sources["api"].options["tables"] == {"customer": {"path": "customers"}}  # of a server, not of this machine
    assert marketing["note"] == "a ${plain} text"
    assert marketing["token"] == "s3cret-from-a-file"
    assert model.secret is not None
    with pytest.raises(MissingSecret, match="C360_TEST_SECRET"):
        model.secret.reveal()


def test_a_missing_secret_file(tmp_path: Path) -> None:
    (tmp_path / "c360.yml").write_text("version: 1\nname: x\nsources:\n  api: {kind: rest, token: '${file:nowhere.txt}'}\n")
    with pytest.raises(MissingSecret, match=r"the file nowhere\.txt cannot be read"):
        load(tmp_path).sources["api"].options["token"]


@pytest.mark.parametrize("word", ["comment", "call", "set", "load", "update", "delete", "copy", "show", "drop", "insert", "if", "desc"])
def test_a_column_may_be_named_like_a_statement(tmp_path: Path, word: str) -> None:
    (tmp_path / "c360.yml").write_text(f"""
version: 1
name: words
sources: {{crm: {{kind: sqlite, path: crm.db}}}}
mappings:
  - object: individual
    source: crm
    table: contact
    key: id
    attributes: {{email: {word}, phone: "{word} || 'x'", city: "{word}::VARCHAR"}}
    where: {word} IS NOT NULL
""")
    attributes = mapping(load(tmp_path), "individual").attributes
    assert [attributes[a].sql("duckdb") for a in ("email", "phone", "city")] == [
        f'"{word}"', f"\"{word}\" || 'x'", f'CAST("{word}" AS TEXT)'
    ]  # fmt: skip
    where = mapping(load(tmp_path), "individual").where
    assert where is not None and where.sql("duckdb") == f'NOT "{word}" IS NULL'
