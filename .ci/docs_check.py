"""Check the papers: every relative link leads to a file that exists (and a heading, if it names one); Python examples compile.

Run in the root of the checkout. Prints `file:line: what is wrong`; exit code 1 if anything is.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)


def anchors(paper: Path) -> set[str]:
    """The anchors that a code host makes of a paper's headings."""
    headings = HEADING.findall(paper.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def bad_link(paper: Path, target: str) -> str:
    """Why a link of that paper leads nowhere, or ""."""
    if re.match(r"[a-z]+:", target):
        return ""
    path, _, anchor = target.partition("#")
    file = (paper.parent / path) if path else paper
    if not file.exists():
        return f"link to {path}, which does not exist"
    if anchor and file.suffix == ".md" and anchor not in anchors(file):
        return f"link to #{anchor}, no heading of {file.name}"
    return ""


def bad_example(code: str) -> str:
    """Why a Python example does not compile, or "". Sessions with `>>>` are doctests' business."""
    if code.lstrip().startswith(">>>"):
        return ""
    try:
        ast.parse(code)
    except SyntaxError as error:
        return f"Python example does not compile: {error.msg}"
    return ""


def problems(paper: Path) -> Iterator[tuple[int, str]]:
    """Line and problem, in order."""
    language, opened, code = None, 0, ""
    for number, line in enumerate(paper.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if fence and language is None:
            language, opened, code = fence.group(1), number, ""
        elif fence:
            if language == "python" and (why := bad_example(code)):
                yield opened, why
            language = None
        elif language is not None:
            code += line + "\n"
        else:
            yield from ((number, why) for target in LINK.findall(line) if (why := bad_link(paper, target)))


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "*.md"], capture_output=True, text=True, check=True).stdout.split()
    found = [f"{paper}:{line}: {why}" for paper in listed for line, why in problems(Path(paper))]
    print("\n".join(found) or f"docs-check: {len(listed)} papers, nothing wrong")
    return 1 if found or not listed else 0


if __name__ == "__main__":
    sys.exit(main())
