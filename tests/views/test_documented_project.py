"""The example in the documentation is a project that loads."""

from __future__ import annotations

import re
from pathlib import Path

from views.load import load

PAGE = Path(__file__).parents[2] / "docs" / "project-file.md"


def test_the_example_loads(tmp_path: Path) -> None:
    example, merged = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "c360.yml").write_text(example)
    model = load(tmp_path)
    assert len(model.mappings) == 4
    assert model.mappings_of("sales_order")[0].attributes["sales_order_id"].sql("duckdb") == '"order_id"'
    (tmp_path / "c360.yml").write_text("version: 1\nname: acme\nsources: {crm: {kind: sqlite, path: crm.db}}\n" + merged)
    contact, lead = load(tmp_path).mappings
    assert (contact.table, lead.table) == ("contact", "lead") and lead.attributes.keys() - contact.attributes.keys() == {"email"}
