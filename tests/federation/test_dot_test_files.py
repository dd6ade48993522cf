"""The `.test` files of this folder: what comes back, and what each source was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.federation.harness import TestCase, read, run
from tests.support.world import World

CASES = [
    pytest.param(case, id=f"{path.stem}: {case.title}") for path in sorted(Path(__file__).parent.glob("*.test")) for case in read(path)
]


@pytest.mark.parametrize("case", CASES)
def test_case(world: World, case: TestCase) -> None:
    run(case, world)


def test_there_are_many() -> None:
    assert len(CASES) >= 25


def test_a_wrong_expectation_fails(world: World) -> None:
    case = read_text("# wrong\nquery\nSELECT count(*) FROM product\n----\n11\n")
    with pytest.raises(AssertionError):
        run(case, world)
    case = read_text("# wrong\nquery\nSELECT count(*) FROM product\n----\n12\nuntouched shop\n")
    with pytest.raises(AssertionError, match="shop was asked"):
        run(case, world)


def read_text(text: str) -> TestCase:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".test") as file:
        file.write(text)
        file.flush()
        return read(Path(file.name))[0]
