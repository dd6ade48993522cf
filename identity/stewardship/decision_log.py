"""The file of decisions: JSON lines that live in git beside the project. Entries are only ever added; a later may withdraw an earlier.

    {"verdict": "same", "entity": "individual", "space": "", "a": ["crm", "contact", "17"], "b": ["shop", "customer", "C-3"],
     "reason": "asked her", "by": "mia", "at": "2026-02-03T10:00:00Z", "until": "2027-01-01T00:00:00Z", "id": "5f0c2a9e"}

`verdict` is same, different (both of `a` and `b`), pin (`a` and `id360`) or withdraw (`of`, an entry's `id`). `replaces` are the `id`s of
entries that say the same until another moment: the one line decides and withdraws, so that no crash leaves half of it. A key that is
personal is written as {"hmac": …}: HMAC-SHA256 under the project's secret (see identity.stewardship.binding.key_hash).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from identity.errors import DecisionsFile, UnknownDecision
from identity.stewardship.contradictions import refuse_contradictions
from identity.stewardship.decisions import DIFFERENT, PIN, SAME, WITHDRAW, Decision, Decisions, RecordName


def read_decisions(path: str | Path) -> Decisions:
    """The decisions of a file; none if there is no file. Raises: DecisionsFile, which names the line; ContradictoryDecisions."""
    found = read_entries(path)
    refuse_contradictions(found.active())
    return found


def read_entries(path: str | Path) -> Decisions:
    """As `read_decisions`, whether or not all can hold: who mends a file that contradicts itself has to see it. Raises: DecisionsFile."""
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Decisions()
    except UnicodeDecodeError as cause:
        raise DecisionsFile(f"{file.name} cannot be read as UTF-8 text", hint="restore it from git") from cause
    except OSError as cause:
        raise DecisionsFile(f"{file.name} cannot be read: {cause.strerror}", hint=f"let this user read {file}") from cause
    return _read(file.name, lines)


def _read(name: str, lines: Iterable[str]) -> Decisions:
    entries: dict[str, Decision] = {}
    withdrawn: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if entry["verdict"] == WITHDRAW:
                withdrawn.add(_text(entry, "of"))
            else:
                decision = _decision(entry)
                withdrawn.update(_replaced(entry))
                if entries.setdefault(decision.id, decision) != decision:  # a merge of two branches may hold a line twice
                    raise DecisionsFile(f"{name}:{number} has the id of another decision", hint="give it an id of its own")
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            said = f"lacks {cause}" if isinstance(cause, KeyError) else "is no decision"
            raise DecisionsFile(f"{name}:{number} {said}", hint="mend the line, or take it out; `c360 decide` writes whole ones") from cause
    if unknown := sorted(withdrawn - entries.keys()):
        raise DecisionsFile(f"{name} withdraws {unknown[0]}, which is not in it", hint="was a line lost in a merge? restore it from git")
    return Decisions(tuple(entries.values()), frozenset(withdrawn))


def _decision(entry: Mapping[str, Any]) -> Decision:
    verdict = entry["verdict"]
    if verdict not in (SAME, DIFFERENT, PIN):
        raise ValueError(verdict)
    a, b = record_from(entry["a"]), None if verdict == PIN else record_from(entry["b"])
    if a == b:
        raise ValueError("a record and itself")
    id360 = entry["id360"] if verdict == PIN else None
    if verdict == PIN and (not isinstance(id360, int) or isinstance(id360, bool) or not 0 <= id360 < 2**63):
        raise ValueError("id360")
    until = moment_from(_text(entry, "until")) if entry.get("until") else None
    texts = (_text(entry, "entity"), str(entry.get("space", "")))
    return Decision(
        verdict, *texts, a, b, id360, _text(entry, "reason"), _text(entry, "by"), moment_from(entry["at"]), until, _text(entry, "id")
    )


def _replaced(entry: Mapping[str, Any]) -> list[str]:
    """The ids of the entries that an entry takes the place of."""
    found = entry.get("replaces", [])
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found) or entry["id"] in found:
        raise ValueError("replaces")
    return found


def record_from(parts: Any) -> RecordName:
    """A record as `record_parts` wrote it. Raises: ValueError."""
    if not isinstance(parts, list) or len(parts) < 3:
        raise ValueError("a record is [source, table, key …]")
    source, table, *key = parts
    if isinstance(key[0], dict):
        return RecordName(source, table, (_text(key[0], "hmac"),), hashed=True)
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("a record's parts are texts")
    return RecordName(source, table, tuple(key))


def _text(entry: Mapping[str, Any], name: str) -> str:
    if not isinstance(entry[name], str) or not entry[name]:
        raise ValueError(name)
    return str(entry[name])


def moment_from(text: str) -> datetime:
    """A moment as `iso` wrote it, in UTC. Raises: ValueError."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def decide(path: str | Path, decision: Decision) -> Decision:
    """Add a decision to the file, flushed to disk; returns it with its id. One that holds already is returned instead, not added again;
    one that says the same until another moment is replaced by the very line, so that the new moment is the one that counts.

    Raises: ContradictoryDecisions; DecisionsFile; OSError, if the disk does not take the line: then the file is as it was.
    """
    with appending(path) as append:
        known = read_decisions(path)
        if there := next((d for d in known.active() if d.says_as(decision)), None):
            return there
        entry = _entry(decision)
        if former := [d.id for d in known.active() if d.says_of(decision)]:
            entry["replaces"] = former
        number = len(known.entries)
        entry["id"] = hashlib.sha256(json.dumps([number, entry], sort_keys=True).encode()).hexdigest()[:8]
        told = replace(decision, id=entry["id"])
        refuse_contradictions((*known.active(), told))
        append(entry)
    return told


def withdraw(path: str | Path, which: str, *, reason: str, by: str) -> Decision:
    """Add an entry that withdraws a decision, by its id or number. Raises: UnknownDecision; DecisionsFile; OSError."""
    read_entries(path).find(which)  # before a file is made
    with appending(path) as append:
        known = read_entries(path)
        found = known.find(which)
        if found.id in known.withdrawn:
            raise UnknownDecision(f"decision {found} was withdrawn before", hint="`c360 decide list` shows what holds")
        append({"verdict": WITHDRAW, "of": found.id, "reason": reason, "by": by, "at": iso(datetime.now(UTC))})
    return found


def _entry(decision: Decision) -> dict[str, Any]:
    found: dict[str, Any] = {"verdict": decision.verdict, "entity": decision.entity, "space": decision.space, "a": record_parts(decision.a)}
    found |= {"b": record_parts(decision.b)} if decision.b else {"id360": decision.id360}
    found |= {"reason": decision.reason, "by": decision.by, "at": iso(decision.at)}
    return found | ({"until": iso(decision.until)} if decision.until else {})


def record_parts(record: RecordName) -> list[Any]:
    """A record as JSON has it: source, table, key …"""
    return [record.source, record.table, *([{"hmac": record.key[0]}] if record.hashed else record.key)]


def iso(moment: datetime) -> str:
    """A moment as JSON has it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@contextmanager
def appending(path: str | Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """What adds an entry to a file of JSON lines; no other process adds one while the block runs, so what was read in it still holds.

    Raises: OSError, of the file or the disk.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield lambda entry: _append(descriptor, entry, str(path))
    finally:
        os.close(descriptor)


def _append(descriptor: int, entry: Mapping[str, Any], name: str) -> None:
    """One line at the end, and on disk: an entry is there whole or not at all."""
    line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":  # an editor left the last line without its end
        line = b"\n" + line
    try:
        while line:  # a disk that is full takes a part, and says so only when asked to take the rest
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    except OSError as cause:
        os.ftruncate(descriptor, size)  # with half a line nobody could read the file any more
        raise OSError(cause.errno, cause.strerror, name) from cause
