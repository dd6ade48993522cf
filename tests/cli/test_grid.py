"""Tables as a terminal shows them: never wider, numbers never cut, nothing that acts."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from federation.cli.grid import grid

TEXT = pa.string()


def table(width: int | None, rows: list[tuple[object, ...]], *types: pa.DataType, below: bool = False) -> list[str]:
    schema = pa.schema([pa.field(f"c{i}", t) for i, t in enumerate(types)])
    return grid(schema, rows, width, below=below).lines


def test_numbers_to_the_right_null_said_wide_characters_counted() -> None:
    rows = [(1, "寿美子", None), (1000, "Ada", Decimal("1.50"))]
    assert table(None, rows, pa.int64(), TEXT, pa.decimal128(5, 2)) == [
        "  c0  c1        c2",
        "────  ──────  ────",
        "   1  寿美子  NULL",
        "1000  Ada     1.50",
    ]


def test_texts_are_cut_and_numbers_are_not() -> None:
    lines = table(40, [(100306418990781, "x" * 90)], pa.int64(), TEXT)
    assert lines[2] == "100306418990781  " + "x" * 22 + "…"


def test_columns_without_any_value_give_way_first() -> None:
    schema = pa.schema([pa.field(n, pa.int64()) for n in ("aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc")])
    shown = grid(schema, [(1, None, 3)], 24, below=False)
    assert shown.lines[0] == "aaaaaaaaaa  cccccccccc" and (shown.left_out, shown.empty) == (1, 1)


def test_few_rows_that_do_not_fit_are_lists() -> None:
    assert table(20, [("x" * 30, 7)], TEXT, pa.int64(), below=True) == ["c0  " + "x" * 16, "    " + "x" * 14, "c1  7"]


def test_a_value_does_not_act_on_the_terminal() -> None:
    (line,) = table(None, [("a\x1b[31m\r\nb\tc\u202ed\x07",)], TEXT)[2:]
    assert line == "a�[31m⏎b→c�d�"


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.tuples(st.lists(st.lists(st.text(max_size=40), min_size=n, max_size=n), max_size=6), st.just(n), st.integers(30, 120))
    )
)
def test_no_line_is_wider_than_the_terminal(case: tuple[list[list[str]], int, int]) -> None:
    rows, columns, width = case
    schema = pa.schema([pa.field(f"column_{i}", TEXT) for i in range(columns)])
    for below in (False, True):
        assert all(cell_len(line) <= width for line in grid(schema, rows, width, below=below).lines)
