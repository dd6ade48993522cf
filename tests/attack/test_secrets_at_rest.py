"""No secret in anything that is said; no value of a source in anything that is kept."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

import pytest

from connectors.spi.errors import C360Error
from federation.project import Project, connect
from tests.attack.company import make
from tests.support.postgres import TestPostgres

SECRET = "the-secret-of-this-project"


def _said(project: Project, texts: list[str]) -> None:
    """Everything the project says of itself and of what it did."""
    texts += [repr(project), repr(project.model), repr(project.model.sources), str(project.model.secret), repr(project.log.entries())]
    session = project.session()
    asks = (
        "SELECT * FROM individual", "SELECT * FROM raw.pg.person", "SELECT nothing FROM individual", "SELECT * FROM raw.pg.nothing",
        "SELECT cast(email AS INT) FROM individual", "SELECT getenv('C360_ATTACK_PASSWORD')", "SELECT '${env:C360_ATTACK_PASSWORD}'",
        "SELECT count(*) FROM sales_order", "DELETE FROM individual",
    )  # fmt: skip
    for sql in asks:
        for ask in (session.sql, session.explain):
            try:
                answer = ask(sql)
                texts += [repr(answer), str(answer), repr(getattr(answer, "report", ""))]
                texts += [repr(answer.fetchall())] if hasattr(answer, "fetchall") else [answer.json(), repr(answer.plan)]  # type: ignore[union-attr]
            except C360Error as error:
                texts += [repr(error), str(error), repr(error.args), "".join(traceback.format_exception(error))]
    for who in ({"email": "x"}, 5, ("pg", "person", 1), ("crm", "contact", 1)):
        try:
            texts.append(repr(session.profile(who).as_dict()))
        except C360Error as error:
            texts += ["".join(traceback.format_exception(error))]
    try:
        project.resolve()
    except C360Error as error:
        texts += ["".join(traceback.format_exception(error))]
    texts += [repr(project.log.entries()), json.dumps(asdict_texts(project))]


def asdict_texts(project: Project) -> list[str]:
    """Every field of the model, as text."""
    return [f"{f.name}={getattr(project.model, f.name)!r}" for f in dataclasses.fields(project.model)]


def _project(folder: Path, uri: str) -> Project:
    (folder / "c360.yml").write_text(
        "version: 1\nname: s\nsources: {pg: {kind: postgres, uri: '" + uri + "'}}\n"
        "mappings: [{object: individual, source: pg, table: public.person, key: id, attributes: {email: text}},\n"
        "  {object: sales_order, source: pg, table: public.gone, key: id, person: {table: public.person, key: id}, attributes: {status: text}}]\n"  # noqa: E501
        "identity: {secret: '${env:C360_ATTACK_OWN}', individual: {rules: [email]}}\n"
    )
    return connect(folder / "c360.yml")


@pytest.mark.parametrize("state", ["well", "wrong password", "no server", "no database", "not a uri"])
def test_no_secret_is_ever_said(
    postgres: TestPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    monkeypatch.setenv("C360_ATTACK_PASSWORD", "right-" + "pw-0815" if state == "well" else "wr0ng-pw-4711")
    monkeypatch.setenv("C360_ATTACK_OWN", SECRET)
    caplog.set_level(logging.DEBUG)
    database = postgres.database("CREATE TABLE person (id bigint PRIMARY KEY, text text)", "INSERT INTO person VALUES (1, 'a')")
    role = f"attacker_{os.getpid()}_{database.rpartition('_')[2]}"
    postgres.psql(database, f"CREATE ROLE {role} LOGIN PASSWORD 'right-pw-0815'", f"GRANT SELECT ON person TO {role}")
    host = {"no server": "127.0.0.1:1", "not a uri": "[::bad"}.get(state, f"127.0.0.1:{postgres.port}")
    name = "no_such_database" if state == "no database" else database
    texts: list[str] = []
    try:
        with _project(tmp_path, f"postgresql://{role}:${{env:C360_ATTACK_PASSWORD}}@{host}/{name}") as project:
            _said(project, texts)
    except C360Error as error:
        texts += ["".join(traceback.format_exception(error))]
    texts += [caplog.text, *(str(vars(r)) for r in caplog.records)]
    texts += [p.read_bytes().decode("latin1") for p in tmp_path.rglob("*") if p.is_file()]
    for text in texts:
        for secret in ("right-pw-0815", "wr0ng-pw-4711", SECRET):
            assert secret not in text, text[max(0, text.index(secret) - 300) : text.index(secret) + 60]


def test_a_password_written_into_the_project_is_refused_unseen(tmp_path: Path) -> None:
    with pytest.raises(C360Error) as caught:
        _project(tmp_path, "postgresql://u:wr1tten-down@127.0.0.1/x")
    assert "wr1tten-down" not in str(caught.value) + repr(caught.value)


# -- at rest -------------------------------------------------------------------------------------------------------------------

MARK = b"hush"


def test_no_value_of_a_source_is_kept(tmp_path: Path) -> None:
    """A process resolves, asks, spills what it can, fails and profiles in a folder of its own, which is then searched byte by byte."""
    folder, temporary, home = tmp_path / "world", tmp_path / "tmp", tmp_path / "home"
    make(folder).close()
    own = {p.name for p in folder.iterdir() if p.is_file()}
    for made in (temporary, home, tmp_path / "cwd"):
        made.mkdir()
    script = textwrap.dedent("""
        import sys
        from federation.project import connect
        from connectors.spi.errors import C360Error
        project = connect(sys.argv[1])
        project.resolve()
        asks = ["SELECT * FROM individual", "SELECT * FROM sales_order ORDER BY ALL", "SELECT * FROM timeline",
                "SELECT * FROM individual_record",
                "SELECT cast(first_name AS INT) FROM individual", "SELECT * FROM raw.crm.contact",
                "SELECT repeat(a.city, 1000) AS x FROM individual a, individual b, individual c, individual d ORDER BY x"]
        for principal in ("ana", "root"):
            session = project.session(principal)
            for sql in asks:
                try:
                    session.sql(sql, timeout=10).fetchall()
                except C360Error as error:
                    print(error.code)
            for who in ({"email": "x"}, {"city": "City1"}, {"first_name": "First1"}):
                try:
                    session.profile(who, window=None, provenance=True)
                except C360Error:
                    pass
        project.close()
    """)
    environment = {**os.environ, "TMPDIR": str(temporary), "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder / "c360.yml")],
        cwd=tmp_path / "cwd",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "hush" not in done.stderr
    written = [p for p in tmp_path.rglob("*") if p.is_file() and not (p.parent == folder and p.name in own)]
    assert any("crosswalk" in str(p) for p in written)
    for path in written:
        content = path.read_bytes()
        for marker in (b"hush-", b"First1", b"Last1", b"Town1", b"secret", b"City1", b"N001", b"hushed"):
            assert marker not in content, (path, marker)
        if "crosswalk" not in path.name and "crosswalk" not in str(path.parent):
            assert MARK not in content, path
    assert not [p for p in written if not p.is_relative_to(folder)], "nothing is written outside of the state directory"
