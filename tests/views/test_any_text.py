"""Whatever a project file holds: it loads, or a coded error says where it is wrong. Never another exception."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from views.errors import ProjectFile
from views.load import load

GOOD = (Path(__file__).parent / "good" / "c360.yml").read_text().replace("include: [sources/*.yml, policies.yml]\n", "")
GOOD += "sources: {crm: {kind: sqlite, path: a}, shop: {kind: sqlite, path: b}, marketing: {kind: files, path: c}}\n"
GOOD += "policies:\n  - {name: p, objects: [individual], filter: country = 'DE', mask: {email: \"'x'\"}}\n"
WORDS = [
    "null",
    "[]",
    "{}",
    "5",
    "-1",
    "true",
    "''",
    "[a, [b]]",
    "{x: y}",
    "*a",
    "&a",
    "!tag x",
    "? ",
    "2020-01-01",
    "${",
    "((",
    "select",
    "\\",
    "\t",
    "é",
    "0x1F",
]


def mutated(seed: int) -> str:
    choose = random.Random(seed)
    lines = GOOD.splitlines()
    for _ in range(choose.randint(1, 3)):
        i = choose.randrange(len(lines))
        line = lines[i]
        match choose.randrange(5):
            case 0:
                del lines[i]
            case 1:
                lines.insert(i, choose.choice(lines))
            case 2:
                lines[i] = line.partition(":")[0] + ": " + choose.choice(WORDS)
            case 3:
                at = choose.randrange(len(line) + 1)
                lines[i] = line[:at] + choose.choice(WORDS) + line[at + choose.randrange(4) :]
            case _:
                lines[i] = " " * choose.randrange(4) + line
    return "\n".join(lines)


def test_the_text_itself_loads(tmp_path: Path) -> None:
    (tmp_path / "c360.yml").write_text(GOOD)
    assert load(tmp_path).name == "acme"


@pytest.mark.parametrize("part", range(4))
def test_every_mutation_loads_or_is_explained(tmp_path: Path, part: int) -> None:
    file = tmp_path / "c360.yml"
    refused = 0
    for seed in range(part * 80, part * 80 + 80):
        text = mutated(seed)
        file.write_text(text)
        try:
            load(file)
        except ProjectFile as error:
            refused += 1
            for problem in error.problems:
                assert problem.location is not None, (seed, problem)
                assert 1 <= problem.location.line <= len(text.splitlines()) + 1, (seed, problem)
    assert refused > 10
