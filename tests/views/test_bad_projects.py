"""Each file of bad/ says in its first lines what is wrong with it, place by place:

# expect: line:column CODE part of the message | part of the hint
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from views.errors import ProjectFile
from views.load import load

BAD = Path(__file__).parent / "bad"
EXPECT = re.compile(r"^# expect: (?:(?P<file>\S+):)?(?P<line>\d+):(?P<column>\d+) (?P<code>\w+) (?P<text>[^|]*?)(?: \| (?P<hint>.*))?$")


@dataclass(frozen=True)
class Expected:
    place: tuple[str, int, int]
    code: str
    text: str
    hint: str


def expectations(path: Path) -> list[Expected]:
    found = []
    for line in path.read_text().splitlines():
        if line.startswith("# expect:"):
            m = EXPECT.match(line)
            assert m, f"{path.name}: {line}"
            place = (m["file"] or path.name, int(m["line"]), int(m["column"]))
            found.append(Expected(place, m["code"], m["text"], m["hint"] or ""))
    assert found, f"{path.name} expects nothing"
    return found


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yml")), ids=lambda p: p.stem)
def test_every_problem_is_reported_at_its_place(path: Path) -> None:
    with pytest.raises(ProjectFile) as caught:
        load(path)
    seen = {}
    for problem in caught.value.problems:
        at = problem.location
        assert at is not None
        seen[(Path(at.file).relative_to(BAD).as_posix(), at.line, at.column), problem.code] = problem
    wanted = {(e.place, e.code): e for e in expectations(path)}
    assert sorted(seen) == sorted(wanted), "\n" + str(caught.value)
    for place, expected in wanted.items():
        assert expected.text in seen[place].text
        assert expected.hint in seen[place].hint


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yml")), ids=lambda p: p.stem)
def test_the_caret_stands_under_the_place(path: Path) -> None:
    with pytest.raises(ProjectFile) as caught:
        load(path)
    for problem in caught.value.problems:
        assert problem.location is not None
        _, shown, caret = problem.message.splitlines()[:3]
        line = Path(problem.location.file).read_text().splitlines()[problem.location.line - 1]
        assert shown.split(" | ", 1)[1].rstrip("…") == line[: len(shown.split(" | ", 1)[1].rstrip("…"))]
        if "…" not in shown:
            assert caret.index("^") - caret.index("|") - 2 == problem.location.column - 1


def test_a_credential_in_the_file_is_never_shown() -> None:
    with pytest.raises(ProjectFile) as caught:
        load(BAD / "literal_secrets.yml")
    assert "hunter2" not in str(caught.value)
    assert all("hunter2" not in str(p) + repr(p) for p in caught.value.problems)


def test_a_project_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProjectFile, match="cannot be read"):
        load(tmp_path)
