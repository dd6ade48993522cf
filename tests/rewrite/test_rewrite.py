"""Each pass by example: a query, the state before the pass and after it. Both states are also run, and yield the same rows.

`pytest tests/rewrite --update-golden` writes the states anew: read the difference as code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from federation import passes
from federation.query import Query
from federation.session import bound
from tests.equivalence.corpus import Case, read
from tests.equivalence.oracle import LocalCopy, comparable
from tests.rewrite.states import shown
from tests.support.world import World

FOLDER = Path(__file__).parent
FILES = {name: FOLDER / f"{name}.sql" for name in passes.NAMES}


@dataclass(frozen=True)
class Golden:
    """A case of a file with the states that are written there."""

    case: Case
    before: str
    after: str


def goldens(path: Path) -> list[Golden]:
    cases = read(path)
    blocks = re.split(r"^(?=-- title: )", path.read_text(encoding="utf-8"), flags=re.M)[1:]
    return [Golden(case, _section(block, "before"), _section(block, "after")) for case, block in zip(cases, blocks, strict=True)]


def _section(block: str, name: str) -> str:
    found = re.search(rf"^-- {name}:\n((?:--   .*\n)*)", block, flags=re.M)
    return "\n".join(line.removeprefix("--   ") for line in found[1].splitlines()) if found else ""


@pytest.fixture(scope="module")
def local(world: World) -> LocalCopy:
    return LocalCopy(world)


def states(world: World, local: LocalCopy, case: Case, name: str) -> tuple[Query, Query]:
    """The state that the passes before it leave, and what the pass makes of it."""
    session, params = world.project.session(case.principals[0]), case.values(local.ids)
    state, context, _ = local.planner.plan_state(case.sql, bound(params), session.views, local.crosswalk, passes.NAMES)
    for rewrite in passes.PASSES:
        after = rewrite(state, context)
        if rewrite.__name__ == name:
            return state, after
        state = after
    raise AssertionError(f"there is no pass {name}")


@pytest.mark.parametrize(("name", "number"), [(n, i) for n, p in FILES.items() for i in range(len(read(p)))])
def test_pass(world: World, local: LocalCopy, name: str, number: int, request: pytest.FixtureRequest) -> None:
    golden = goldens(FILES[name])[number]
    before, after = states(world, local, golden.case, name)
    params = golden.case.values(local.ids)
    first, second = (local.state(s, params) for s in (before, after))
    if golden.case.rows == "count":
        assert len(first) == len(second)
    else:
        ordered = golden.case.rows == "ordered"
        assert comparable(first, ordered=ordered) == comparable(second, ordered=ordered), f"{name} changed the rows"
    if request.config.getoption("--update-golden"):
        written = _written(golden.case, before, after)
        blocks = re.split(r"^(?=-- title: )", FILES[name].read_text(encoding="utf-8"), flags=re.M)
        blocks[number + 1] = written
        FILES[name].write_text("".join(blocks), encoding="utf-8")
        return
    assert shown(before) == golden.before, golden.case.title
    assert ("the same" if after_is_before(before, after) else shown(after)) == golden.after, golden.case.title


def after_is_before(before: Query, after: Query) -> bool:
    return shown(before) == shown(after)


def _written(case: Case, before: Query, after: Query) -> str:
    options = "" if case.params == "None" else f"-- params: {case.params}\n"
    options += "" if case.principals[0] == "root" else f"-- as: {case.principals[0]}\n"
    options += "" if case.rows == "bag" else f"-- rows: {case.rows}\n"
    second = "the same" if after_is_before(before, after) else shown(after)
    return f"-- title: {case.title}\n{options}{case.sql}\n-- before:\n{_comment(shown(before))}-- after:\n{_comment(second)}\n"


def _comment(text: str) -> str:
    return "".join(f"--   {line}\n" for line in text.splitlines())


def test_every_pass_has_cases_and_some_where_it_must_not_act() -> None:
    for name, path in FILES.items():
        found = goldens(path)
        assert len(found) >= 3, name
        assert any(g.after == "the same" or "must not" in g.case.title for g in found), name
