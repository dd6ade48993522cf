"""Reads files of queries: see the head of `queries.sql`."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

_OPTION = re.compile(r"^-- (title|params|as|rows|text): (.*)$")


@dataclass(frozen=True)
class Case:
    """One query. `params` is Python text, evaluated once the people are known."""

    title: str
    sql: str
    params: str = "None"
    principals: tuple[str, ...] = ("root", "ana")
    rows: str = "bag"
    text: bool = True

    def values(self, ids: list[int]) -> Any:
        return eval(self.params, {"ids": ids, "dt": dt, "Decimal": Decimal})


def read(path: Path) -> list[Case]:
    """The cases of a file, in order."""
    cases = []
    blocks = re.split(r"^(?=-- title: )", path.read_text(encoding="utf-8"), flags=re.M)[1:]
    for block in blocks:
        options, sql = {}, []
        for line in block.splitlines():
            match = _OPTION.match(line)
            if match:
                options[match[1]] = match[2].strip()
            elif line.strip() and not line.startswith("--"):
                sql.append(line)
        principals = tuple(p.strip() for p in options.get("as", "root, ana").split(","))
        text = options.get("text", "yes") != "no"
        cases.append(Case(options["title"], "\n".join(sql), options.get("params", "None"), principals, options.get("rows", "bag"), text))
    return cases
