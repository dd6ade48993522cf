"""A connector that we did not write: another distribution, found by its entry point alone, is a peer of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import connectors
from connectors import registry
from connectors.spi import Deadline, Fragment, KeyFilter
from connectors.spi.errors import UnknownSourceKind

MODULE = '''
"""A folder of JSON files as tables: {"columns": {name: Arrow type}, "key": [...], "rows": [[...], ...]}."""

import json
from pathlib import Path

import pyarrow as pa

from connectors.spi import Capabilities, Column, Statistics, Table
from connectors.spi.errors import Cancelled, SchemaDrift, SourceConfig, SourceTimeout, SourceUnreachable

KINDS = {"int64": "int", "string": "text", "date32": "date"}


def connect(name, options):
    if set(options) != {"folder"}:
        raise SourceConfig(f"source `{name}`: give a `folder`, and nothing else")
    return Documents(name, Path(options["folder"]))


class Documents:
    """No snapshot: each run reads its file anew."""

    kind = "documents"
    capabilities = Capabilities(key_kinds=frozenset({"int", "text"}), limit=True)

    def __init__(self, name, folder):
        self.name, self.folder = name, folder

    def tables(self):
        if not self.folder.is_dir():
            raise SourceUnreachable(self.name, f"source `{self.name}`: its folder is missing", hint="check `folder`")
        return tuple(sorted(p.stem for p in self.folder.glob("*.json")))

    def read(self, name):
        if name not in self.tables():
            raise SchemaDrift(self.name, f"source `{self.name}` has no table `{name}`")
        return json.loads((self.folder / f"{name}.json").read_text())

    def table(self, name):
        found = self.read(name)
        columns = tuple(Column(c, pa.type_for_alias(t), KINDS[t], t) for c, t in found["columns"].items())
        return Table(name, columns, key=tuple(found["key"]))

    def statistics(self, name):
        return Statistics(rows=len(self.read(name)["rows"]))

    def ping(self, deadline):
        return f"{len(self.tables())} JSON files"

    def session(self, deadline, *, snapshot):
        self.tables()
        return Reading(self, deadline)

    def forget(self):
        pass

    def close(self):
        pass


class Reading:
    def __init__(self, source, deadline):
        self.source, self.deadline, self.cancelled = source, deadline, False

    def run(self, fragment, values):
        return Answer(self, fragment, values)

    def cancel(self):
        self.cancelled = True

    def close(self):
        pass


class Answer:
    requests = 1

    def __init__(self, session, fragment, values):
        self.session, self.fragment = session, fragment
        self.table = session.source.table(fragment.table)
        missing = [c for c in fragment.columns if self.table.column(c) is None]
        if missing:
            raise SchemaDrift(session.source.name, f"{fragment.table} has no column {missing[0]}")
        self.schema = self.table.arrow_schema(fragment.columns)
        self.statement = f"read {fragment.table}.json"
        self.keys = None
        if fragment.keys is not None:
            self.keys = set(zip(*(a.to_pylist() for a in values[fragment.keys.slot])))

    def __iter__(self):
        found = self.session.source.read(self.fragment.table)
        rows = [dict(zip(found["columns"], row)) for row in found["rows"]]
        if self.keys is not None:
            rows = [r for r in rows if tuple(r[c] for c in self.fragment.keys.columns) in self.keys]
        rows = rows[: self.fragment.limit]
        for i in range(0, len(rows), 1000):
            if self.session.cancelled:
                raise Cancelled("cancelled")
            if self.session.deadline.expired:
                raise SourceTimeout(self.session.source.name, "too late")
            part = [{c: r[c] for c in self.fragment.columns} for r in rows[i : i + 1000]]
            yield pa.RecordBatch.from_pylist(part, schema=self.schema)

    def close(self):
        pass
'''

TEST = """
import json

import pytest

from connectors import registry
from connectors.testing import ConnectorContract

ALIAS = {"int": "int64", "text": "string"}


class TestDocuments(ConnectorContract):
    kinds = frozenset(ALIAS)

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory):
        return tmp_path_factory.mktemp("documents")

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, folder):
        def make(tables):
            for name, made in tables.items():
                columns = {c: ALIAS[s.kind] for c, s in made.items()}
                rows = list(zip(*(s.values for s in made.values())))
                (folder / f"{name}.json").write_text(json.dumps({"columns": columns, "key": list(made)[:1], "rows": rows}))
            return registry.connect("notes", "documents", {"folder": str(folder)})

        return make

    @pytest.fixture(scope="class")
    @classmethod
    def drop_table(cls, folder):
        return lambda table: (folder / f"{table}.json").unlink()

    @pytest.fixture
    def unreachable(self, tmp_path):
        return registry.connect("notes", "documents", {"folder": str(tmp_path / "nowhere")})
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the distribution `c360-documents` as an installer lays it out."""
    site = tmp_path / "site"
    info = site / "c360_documents-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "c360_documents.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: c360-documents\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[c360.connectors]\ndocuments = c360_documents:connect\n")
    (info / "RECORD").write_text("")
    return site


def test_it_is_found_and_answers_a_fragment(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "note.json").write_text(
        '{"columns": {"name": "string", "text": "string"}, "key": ["name"], "rows": [["ada", "tea"], ["eve", "call"]]}'
    )
    assert "documents" not in registry.kinds()
    with pytest.raises(UnknownSourceKind):
        registry.connect("notes", "documents", {"folder": str(tmp_path)})
    monkeypatch.syspath_prepend(str(site))
    assert set(registry.kinds()) >= {"documents", "duckdb", "files", "rest"}
    connector = registry.connect("notes", "documents", {"folder": str(tmp_path)})
    assert (connector.name, connector.kind, connector.tables()) == ("notes", "documents", ("note",))
    session = connector.session(Deadline.after(5), snapshot=False)
    fragment = Fragment("notes", "note", ("text",), keys=KeyFilter(("name",), "k"))
    rows = [row for batch in session.run(fragment, {"k": (pa.array(["eve", "nobody"]),)}) for row in batch.to_pylist()]
    session.close()
    assert rows == [{"text": "call"}]


def test_it_passes_the_same_contract(site: Path, tmp_path: Path) -> None:
    """The suite is for outsiders too: run in a process of its own, as they would."""
    test = tmp_path / "test_documents.py"
    test.write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test), "--rootdir", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(Path(connectors.__file__).parents[1])])},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
