"""Which hand-made cases of senzing_truthset the defaults do not get right, each with what was seen and why it is so.

    python -m benchmarks.identity.exceptions [--er ../shared/data/er]

Writes benchmarks/results/senzing_exceptions.md. Exit code 1 if a case is wrong that nobody has explained yet, or right by now.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

from benchmarks.identity.sets import TRUTH
from identity.evaluate import Judged, judge
from identity.mistakes import MISSED, Mistake

NAME = "senzing_truthset"
RESULT = Path(__file__).parent.parent / "results" / "senzing_exceptions.md"
Case = tuple[str, ...]
"""The true persons (their cluster_id) that a mistake is about: one that was torn apart, or two that were put together."""

EXPLAINED: dict[str, str] = {
    "1001": "Four records of one Bob Smith, chained by one thing each, while an initial, a birthday and a year differ. The fourth is as "
    "near to the others as another B. Smith of that house would be.",
    "2011": "Hajah Mamunah (Jln Pisang) and Hajah Maimunah: one word of two is misspelt, and another company of that street is as near.",
    "2031": "A Khmer name and its usual Latin spelling have hardly a letter in common once transliterated; the address is one text.",
    "2041": "Both the company's names are misspelt, and of two companies in one house the address says nothing.",
    "2051": "Arabic is written without vowels: transliterated, فيصل is fysl, which is not alike enough to Faisal.",
    "2073": "Worldwide Exports and Universal Exports Worldwide at one address: other companies of the group are in the data, and two of "
    "one group in one house have as much in common.",
    "2091": "Peggie is a spelling of Peggy that is in no table of nicknames; besides the name only an employer agrees.",
    "2101": "Keeley and Kaylee Jones with one office e-mail and telephone: colleagues share both, and the given names differ.",
    "1001 1004": "Nothing but the name is known of the one record that could tell them apart, and among 159 records it is a rare name.",
    "1003 1091": "Patricia, Patrick and Pat Smith: Pat is short for either, and the record that joins them lives elsewhere.",
    "1003 1092": "Patricia Smith twice, in two places: people move.",
    "1024 1025": "Mark and Marsha Kusha: given names alike, one birthday, one e-mail, one house; her number is on her records alone.",
    "1032 1033": "Darla and Darlene Anderson, born on one day: triplets, whose names look like one name misspelt.",
    "1032 1034": "Darla and Darletta Anderson, born on one day: triplets, whose names look like one name misspelt.",
    "1033 1034": "Darlene and Darletta Anderson, born on one day: triplets, whose names look like one name misspelt.",
    "1081 1082": "Two John Smiths in one house, one born in 1970, one in 1990, and two records without a date that are as near to either.",
    "1081 1083": "A record of John Smith without a birth date, in the house of two John Smiths: the nearest is taken.",
    "1082 1083": "A record of John Smith without a birth date, in the house of two John Smiths: the nearest is taken.",
    "1091 1092": "Pat, Pat, Patrick and Patricia Smith in one house. Passports differ, but people renew theirs, so that this alone "
    "weighs little: `must_not: [PASSPORT_NUMBER]` says that they tell people apart here.",
    "1131 1132": "Jay Jones and Jones Jay: given and family name exchanged is a common mistake, and nothing else can be compared.",
    "1231 1232": "Morris I and Morris II with one birth date: a father is not born with his son, so the number is taken for a mistake.",
    "2172 2214": "Andy Anderson and Sandy Sanders share info@, which is nobody's; two names alike by chance are rare among 159 records.",
    "2181 2182": "Anna and Annabelle Anderson with one telephone: Anna is short for Annabelle.",
    "1041 1042": "A father and his son, of one name in one house: junior and senior speak against, but for 3 bits only.",
    "1101": "Zara, Sarah and Sahra Thompson with one e-mail address: people of one household share it, and the given names differ.",
    "2141": "Singapore exports and Universal Exports Singapore in one house: two companies of one group have as much in common.",
    "2151": "India Exports and Universal Exports India, one telephone and street: two companies of one group have as much in common.",
}


def cases(judged: Judged, persons: list[str]) -> dict[Case, list[Mistake]]:
    """The mistakes by what they are about; `persons` are the true persons by row."""
    found: dict[Case, list[Mistake]] = defaultdict(list)
    for mistake in judged.mistakes():
        found[tuple(sorted({persons[mistake.left], persons[mistake.right]}))].append(mistake)
    return dict(sorted(found.items(), key=lambda case: (len(case[0]), case[0])))


def report(judged: Judged, found: dict[Case, list[Mistake]], records: list[str]) -> str:
    """The page; `records` are the names of records by row."""
    reached, people = judged.evaluation, len(set(judged.truth.tolist()))
    wrong = {person for case in found for person in case}
    lines = [
        f"# {NAME}: what the defaults do not get right, and why",
        "",
        f"Of {people} persons and organisations {people - len(wrong)} are exactly right (F1 {reached.f1:.3f}, pairs). Each other case is",
        "below, with the evidence in bits as `c360 why` gives it. The cases were made by hand to be hard, and nothing was fitted to them.",
        "A steward settles any of them with one `c360 decide`. Made by `python -m benchmarks.identity.exceptions`.",
    ]
    for case, mistakes in found.items():
        torn = mistakes[0].kind == MISSED
        lines += [
            "",
            f"## {case[0]} is torn apart" if torn else f"## {' and '.join(case)} are put together",
            "",
            EXPLAINED.get(" ".join(case), "?"),
            "",
        ]
        for mistake in mistakes:
            told = str(mistake).partition("  ")[2].partition(f"{mistake.left}, {mistake.right}")[2].strip()
            lines.append(f"- {records[mistake.left]}, {records[mistake.right]}: {told}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.identity.exceptions", description=__doc__.split("\n")[0])
    parser.add_argument("--er", type=Path, default=Path("..") / "shared" / "data" / "er", help="folder of the public sets")
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()
    file = args.er / NAME / "records.csv"
    judged = judge(file, TRUTH)
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    found = cases(judged, [row[TRUTH] for row in rows])
    args.output.write_text(report(judged, found, [f"{row['source']} {row['rec_no']}" for row in rows]), encoding="utf-8")
    wrong = {" ".join(case) for case in found}
    unexplained, settled = sorted(wrong - set(EXPLAINED)), sorted(set(EXPLAINED) - wrong)
    print(f"{len(found)} cases in {args.output}; not explained: {unexplained or 'none'}; explained, but right by now: {settled or 'none'}")
    return int(bool(unexplained or settled))


if __name__ == "__main__":
    sys.exit(main())
