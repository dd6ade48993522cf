"""What can be wrong with a project file. Every message starts with file:line:column and shows the line with a caret.

UserError
├── ProjectFile            the file cannot be read, is not YAML, or has several problems (`problems`)
│   ├── UnknownField       a field that the format does not have
│   ├── MissingField       a field that it must have
│   ├── WrongValue         a value of the wrong type or not one of those possible
│   ├── Conflict           the same thing said twice
│   ├── IncludeCycle       files that include each other
│   ├── UnknownName        a source, object or entity that the project does not define
│   ├── UnknownAttribute   an attribute that an object does not have
│   ├── BadExpression      SQL that does not parse, or is more than a scalar expression
│   ├── BadLink            a mapping whose rows cannot be led to a person
│   └── LiteralSecret      a credential written into the file
└── MissingSecret          an environment variable or file that a `${…}` names is not there
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from connectors.spi.errors import UserError
from views.model import Location

_SECRET_NAMES = r"password|passwd|pwd|secret|token|api_?key|access_?key|credentials?|encryption_key"
SECRET_OPTION = re.compile(rf"(^|_)({_SECRET_NAMES})(_|$)", re.IGNORECASE)
"""Names of options that hold a credential."""

_SHOWN_SECRET = re.compile(rf"""(\w*(?:{_SECRET_NAMES})\w*["']?\s*[:=]\s*|://[^\s/@:]*:)(?=\S)(?!\s*[$"']*\$\{{)""", re.IGNORECASE)


class ProjectFile(UserError):
    """The project file cannot be read, is not YAML, or has several problems; `problems` holds them one by one.

    `location` is where; None if there is no such place (a file that is not there).
    """

    code = "C360_PROJECT_FILE"

    def __init__(self, text: str, location: Location | None = None, *, hint: str = "", problems: Sequence[ProjectFile] = ()) -> None:
        shown = f"{location}: {text}{excerpt(location)}" if location else text
        super().__init__(shown, hint=hint)
        self.text = text
        self.location = location
        self.problems: tuple[ProjectFile, ...] = tuple(problems) or (self,)


class UnknownField(ProjectFile):
    """A field that the format does not have at this place."""

    code = "C360_UNKNOWN_FIELD"


class MissingField(ProjectFile):
    """A field without which this part of the file means nothing."""

    code = "C360_MISSING_FIELD"


class WrongValue(ProjectFile):
    """A value of the wrong type, or not one of those possible."""

    code = "C360_WRONG_VALUE"


class Conflict(ProjectFile):
    """The same thing is said twice: a key of one mapping, a name in two files, a table mapped to one object two times."""

    code = "C360_CONFLICT"


class IncludeCycle(ProjectFile):
    """Files include each other."""

    code = "C360_INCLUDE_CYCLE"


class UnknownName(ProjectFile):
    """A source, object or entity is named that the project does not define."""

    code = "C360_UNKNOWN_NAME"


class UnknownAttribute(ProjectFile):
    """An attribute is named that its object does not have."""

    code = "C360_UNKNOWN_ATTRIBUTE"


class BadExpression(ProjectFile):
    """SQL that does not parse, or is more than a scalar expression of permitted functions."""

    code = "C360_BAD_EXPRESSION"


class BadLink(ProjectFile):
    """A mapping whose rows cannot be led to a person: the table it points to is not resolved, or points back."""

    code = "C360_BAD_LINK"


class LiteralSecret(ProjectFile):
    """A credential stands in the project file itself."""

    code = "C360_LITERAL_SECRET"


class MissingSecret(UserError):
    """What a `${…}` names is not there. `owner` is what needs it ("source `crm`"); other sources go on working."""

    code = "C360_MISSING_SECRET"

    def __init__(self, owner: str, text: str, location: Location, *, hint: str) -> None:
        super().__init__(f"{location}: {owner}: {text}", hint=hint)
        self.owner = owner
        self.location = location


def excerpt(location: Location) -> str:
    """The line of the file with a caret under the place, "" if the file cannot be read. What follows a credential is left out.

    >>> excerpt(Location("no such file"))
    ''
    """
    linecache.checkcache(location.file)
    line = linecache.getline(location.file, location.line).rstrip("\n").expandtabs(1)
    if not line:
        return ""
    if secret := _SHOWN_SECRET.search(line):
        line = line[: secret.end()] + "…"
    start = min(location.column - 1, len(line))
    word = re.compile(r"[\w.$-]+").match(line, start)
    number = f"{location.line:>5} | "
    return f"\n{number}{line}\n{' ' * (len(number) - 2)}| {' ' * start}{'^' * (len(word.group()) if word else 1)}"


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "", *, cutoff: float = 0.6) -> str:
    """The hint for a misspelt name: the nearest known one, else `otherwise`, else all that are known.

    >>> did_you_mean("emial", ["email", "phone"])
    'did you mean `email`?'
    >>> did_you_mean("x", ["email", "phone"])
    'use one of: email, phone'
    """
    names = sorted(set(known))
    if near := get_close_matches(name, names, n=1, cutoff=cutoff) or get_close_matches(name.lower(), names, n=1, cutoff=cutoff):
        return f"did you mean `{near[0]}`?"
    return otherwise or (f"use one of: {', '.join(names)}" if names else "")


class Problems:
    """Collects what is wrong, so that all of it is reported at once."""

    def __init__(self) -> None:
        self.found: list[ProjectFile] = []

    def add(self, problem: ProjectFile) -> None:
        self.found.append(problem)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Note a problem raised in the block instead of stopping; the rest of the block is skipped."""
        try:
            yield
        except ProjectFile as problem:
            self.found.extend(problem.problems)


def raise_together(problems: Sequence[ProjectFile]) -> None:
    """Raise nothing for none, the problem itself for one, and a `ProjectFile` that holds them all for several.

    What is merged into several places (`<<: *name`) is wrong in each, and told once.
    """
    problems = list({str(problem): problem for problem in problems}.values())
    if len(problems) == 1:
        raise problems[0]
    if problems:
        ordered = sorted(problems, key=_place)
        raise ProjectFile(f"{len(ordered)} problems in the project\n\n" + "\n\n".join(map(str, ordered)), problems=ordered)


def _place(problem: ProjectFile) -> tuple[str, int, int]:
    at = problem.location
    return (at.file, at.line, at.column) if at else ("", 0, 0)
