"""Where one SQL statement ends and the next begins."""

from __future__ import annotations

import re

_SKIPPED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_OPENED = re.compile(r"'|\"|--|/\*|\$\w*\$")


def split_statement(text: str) -> tuple[str, str] | None:
    """The first statement without its `;` and what follows, or None if no `;` ends it yet. Quotes and comments hide theirs.

    >>> split_statement("SELECT ';' -- not; here" + chr(10) + "; SELECT 2")
    ("SELECT ';' -- not; here\\n", ' SELECT 2')
    >>> split_statement("SELECT 'open; ") is None
    True
    """
    at = 0
    while at < len(text):
        if text[at] == ";":
            return text[:at], text[at + 1 :]
        skipped = _SKIPPED.match(text, at)
        if skipped is not None:
            at = skipped.end()
        elif _OPENED.match(text, at):
            return None
        else:
            at += 1
    return None
