"""What plain words of a project file are, and files that no YAML reader likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from views.errors import ProjectFile, WrongValue
from views.project_file import read_yaml

WORDS = {
    "10": 10, "-5": -5, "+7": 7, "010": 10, "1_000": 1000, "0o17": 15, "0x1F": 31,
    "1.5": 1.5, ".5": 0.5, "5.": 5.0, "1e5": 1e5, "1_0.2_5": 10.25, "-.inf": float("-inf"),
    "true": True, "FALSE": False, "~": None, "null": None, "": None,
    "yes": "yes", "no": "no", "on": "on", "n": "n", "tRue": "tRue", "12:30": "12:30", "12:30:45": "12:30:45", "2024-01-01": "2024-01-01",
    "0b11": "0b11", "0o8": "0o8", "1.2.3": "1.2.3", "_1": "_1", ".": ".", "e5": "e5", "=": "=", "${env:X}": "${env:X}", "a:b": "a:b",
    "'10'": "10", '"true"': "true", "!!str 10": "10",
}  # fmt: skip


@pytest.mark.parametrize(("word", "value"), WORDS.items())
def test_plain_words_are_those_of_yaml_1_2(tmp_path: Path, word: str, value: object) -> None:
    (tmp_path / "p.yml").write_text(f"k: {word}\n", encoding="utf-8")
    found = read_yaml(tmp_path / "p.yml", "p.yml").plain()["k"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("tagged", ["!!int many", "!!float x", "!!int ''", "!!int 0x"])
def test_a_tag_of_another_kind_than_its_value_is_refused(tmp_path: Path, tagged: str) -> None:
    (tmp_path / "p.yml").write_text(f"k: {tagged}\n", encoding="utf-8")
    with pytest.raises(WrongValue, match=r"this is no (int|float)"):
        read_yaml(tmp_path / "p.yml", "p.yml")


@pytest.mark.parametrize("depth", [101, 200_000])
def test_what_is_nested_too_deep_is_refused(tmp_path: Path, depth: int) -> None:
    (tmp_path / "p.yml").write_text("k: " + "[" * depth + "]" * depth, encoding="utf-8")
    with pytest.raises(ProjectFile, match="nested more than 100 deep"):
        read_yaml(tmp_path / "p.yml", "p.yml")
