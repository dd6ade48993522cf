"""Names of people taken apart: SQL per row. Plain names of letters alone, which most are, pass through the quick side of a CASE.

A whole name is read in any order that its spelling tells: "Smith, John A.", "VAN DER BERG Jan" (capitals: the family name), "Dr. John
Smith, PhD", "Mary Smith (née Jones)". Particles (van, de la, bin, al-) are left out of family names: whether they are written differs
from source to source for one and the same person.
"""

from __future__ import annotations

from collections.abc import Mapping

from identity.probabilistic.alphabet import LETTER
from identity.probabilistic.kinds import Kind

_TITLE = "mr|mrs|ms|miss|mx|dr|prof|professor|sir|dame|rev|reverend|hon|capt|herr|frau|madame|monsieur|mme|mlle|sra|srta|dott|dipl|ing"
_TITLES = rf"^\s*(?:(?:{_TITLE})\b[.\s-]*(?:(?:med|phil|jur|rer|nat|dent|vet|ing|h\. ?c)\.\s*)*)+"
_DEGREE = "jr|sr|junior|senior|ii|iii|iv|phd|ph\\.d|md|m\\.d|esq|mba|cpa|rn|dds|dvm|obe|mbe|cbe|msc|bsc"
_DEGREES = rf"(?:[,\s]+(?:{_DEGREE})\.?)+\s*(,|$)"
_PARTICLE = (
    "van|von|vom|vd|der|den|des|de|del|della|dei|di|da|do|dos|das|du|la|le|los|las|el|al|ul|bin|ben|bint|ibn|zu|zum|zur|af|av|ter|ten"
)
_PARTICLES = rf"^\s*(?:(?:{_PARTICLE})\b\.?[\s''’-]+)+"
_INNER_PARTICLES = rf"([^\s,])\s+(?:(?:{_PARTICLE})\.?[\s-]+)+"
# "Bill" of William "Bill" Smith, and what somebody was once called
_ASIDE = r"\(.*?\)|\[.*?\]|\".*?\"|“.*?”|[,\s]\s*(?:nee|geb\.?|geborene?|formerly|aka|a\.k\.a\.)\s[^,]*"
_CAPITALS = r"^\s*((?:\p{Lu}[\p{Lu}''’-]*\s+)*\p{Lu}[\p{Lu}''’-]{2,})\s+(\p{Lu}\p{Ll}.*)$"
_TICKET = r"^\s*(\p{Lu}[\p{Lu}''’ -]*)[/^](\p{Lu}[\p{Lu}''’ .^-]*)$"
"""As tickets have it: SMITH/JOHN MR; and as hospitals do: SMITH^JOHN^A."""
_PARTICLE_FIRST = r"^\s*((?i:(?:v[ao]n|vom|de|del|zu|zum|zur|af|ter|ten)\s+(?:(?:de[nrs]?|het|la|las|los|t)\s+)*)[^\s,]+)\s+([^\s,]+)\s*$"
"""No given name is before a particle: van der Berg Jan. (Van Morrison has none behind him.)"""
_TITLE_LAST = rf"([{LETTER}.,])\s+(?:mr|mrs|ms|miss|mstr|mx|dr|prof)\.?\s*$"
_SUFFIX = r"[,\s]+(jr|sr|junior|senior|i|ii|iii|iv)\.?\s*$"
_ENDINGS = {"sr": 1, "senior": 1, "i": 1, "jr": 2, "junior": 2, "ii": 2, "iii": 3, "iv": 4}
_GENERATION = (
    rf"CASE REGEXP_EXTRACT({{0}}, '\s({'|'.join(_ENDINGS)})\.?(\s|,|$)', 1) "
    + " ".join(f"WHEN '{ending}' THEN '{number}'" for ending, number in _ENDINGS.items())
    + " END"
)
_PLAIN = "REGEXP_FULL_MATCH({0}, '[a-z]+')"


def words(full: str) -> str:
    """The words of a whole name (in its own case) in the order given, middle, family; no titles, degrees, particles and asides."""
    turned = rf"CASE WHEN REGEXP_MATCHES({full}, '{_CAPITALS}') THEN REGEXP_REPLACE({full}, '{_CAPITALS}', '\2 \1') ELSE {full} END"
    turned = rf"REGEXP_REPLACE({turned}, '{_TICKET}', '\1, \2')"
    turned = rf"REGEXP_REPLACE({turned}, '{_PARTICLE_FIRST}', '\1, \2')"
    plain = f"REGEXP_REPLACE(LOWER(STRIP_ACCENTS({turned})), '{_ASIDE}', ' ', 'g')"
    plain = rf"REGEXP_REPLACE({plain}, '{_TITLE_LAST}', '\1')"
    undecorated = rf"REGEXP_REPLACE({plain}, '{_DEGREES}', '\1')"
    ordered = rf"REGEXP_REPLACE({undecorated}, '^\s*([^,]+?)\s*,\s*(.+)$', '\2 \1')"
    named = f"REGEXP_REPLACE({ordered}, '{_TITLES}|{_DEGREES}', '', 'g')"
    return rf"REGEXP_EXTRACT_ALL(REGEXP_REPLACE({named}, '{_INNER_PARTICLES}', '\1 ', 'g'), '[{LETTER}''’-]+')"


def comma_after_family(full: str) -> str:
    """A whole name that begins with the family name, as if there were a comma behind that: SMITH JOHN A is "SMITH, JOHN A"."""
    first = rf"^\s*(?:(?i:{_TITLE})\b[.\s]+)?((?:(?i:{_PARTICLE})\b[.\s''’-]+)*[^\s,]+)\s+([^,]+)$"
    return rf"REGEXP_REPLACE(REGEXP_REPLACE({full}, '{first}', '\1, \2'), '^\s*([^\s,]+)\s*$', '\1,')"


def family_last(words: str) -> str:
    """The words of a name in Western order, where they show that the family name comes first: Ivanova Anna Petrovna, Petrov I. S."""
    patronymic = "regexp_full_match(coalesce({0}, ''), '.+([oe]v(ich|na)|ichna)|(il.?|kuz.?m|fom|luk|nikit)ich')".format
    surname = "regexp_full_match({0}, '[a-z]{{2,}}(ova?|[^a]eva?|sk(iy|ij|aya|aja)|enko|chuk)')".format
    initials = f"len({words}) > 2 AND len({words}[1]) > 1 AND len(array_to_string({words}[2:], '')) = len({words}) - 1"
    slavic = f"{surname(f'{words}[1]')} AND NOT {surname(f'{words}[-1]')}"
    first = f"len({words}) > 1 AND ({initials} OR {slavic} OR {patronymic(f'{words}[3]')} AND NOT {patronymic(f'{words}[2]')})"
    return f"CASE WHEN {first} THEN list_concat({words}[2:], {words}[1:1]) ELSE {words} END"


def letters(value: str) -> str:
    """Letters only, without accents. Most values are plain letters already, which is quickly seen."""
    return _quick(value, _letters(f"STRIP_ACCENTS({value})"), {})


def plain_letters(raw: Mapping[Kind, str]) -> list[str]:
    """What `name_columns` wants to be told of each row beside its names: whether they are plain letters."""
    return [f"{_PLAIN.format(name)} AS {told}" for name, told in _told(raw).items()]


def _told(raw: Mapping[Kind, str]) -> dict[str, str]:
    return {raw[kind]: f"plain_{kind}" for kind in (Kind.GIVEN, Kind.FAMILY) if kind in raw}


def name_columns(raw: Mapping[Kind, str]) -> dict[str, str]:
    """The prepared columns that names give; a whole name is there as `words`, and what `plain_letters` tells."""
    given, family, middle = raw.get(Kind.GIVEN), raw.get(Kind.FAMILY), raw.get(Kind.MIDDLE)
    full = raw.get(Kind.FULL)
    columns: dict[str, str] = {}
    told = _told(raw)
    if given or family or full:
        written = [part for part in (given, family, full and f"LOWER({full})", raw.get(Kind.SUFFIX)) if part]
        columns["generation"] = _GENERATION.format(f"concat_ws(' ', {', '.join(written)})")
        if set(written) == set(told):  # two words are no generation, but where the family name is one
            none = [*told.values(), *([f"{family} NOT IN ({', '.join(map(repr, _ENDINGS))})"] if family else [])]
            columns["generation"] = f"CASE WHEN {' AND '.join(none)} THEN NULL ELSE {columns['generation']} END"
    double = family and _quick(family, _double(_family(family)), told, "NULL")
    if full:
        # a single word is a given name (who signs up writes "Ann"), unless a title is before it, or it is said elsewhere which it is
        alone = rf"NOT REGEXP_MATCHES(LOWER({full}), '{_TITLES}|,\s*$')"
        if family:
            alone += f" AND words[1] IS DISTINCT FROM STRIP_ACCENTS({family})"
        if given:
            alone += f" AND coalesce(words[1] = STRIP_ACCENTS({given}), true)"
        given = f"COALESCE({given or 'NULL'}, CASE WHEN len(words) > 1 THEN words[1] WHEN {alone} THEN words[1] END)"
        # of several family names, or a middle and a family name, which is which cannot be seen
        further = _double("ARRAY_TO_STRING(words[2:], ' ')")
        double = f"COALESCE({double or 'NULL'}, {further})"
        family = f"COALESCE({family or 'NULL'}, CASE WHEN len(words) > 1 THEN words[-1] WHEN NOT ({alone}) THEN words[-1] END)"
        middle = f"COALESCE({middle or 'NULL'}, CASE WHEN len(words) > 2 THEN ARRAY_TO_STRING(words[2:-2], ' ') END)"
    if given:
        plain = f"REGEXP_REPLACE(STRIP_ACCENTS({given}), '{_TITLES}|{_SUFFIX}', '', 'g')"
        columns["given"] = _quick(given, _letters(plain), told)
        columns["given1"] = _quick(given, rf"NULLIF(REGEXP_EXTRACT({plain}, '[{LETTER}]+'), '')", told)
    if family:
        columns["family"] = _quick(family, _letters(_family(family)), told)
        columns["double_name"] = double or "NULL"
    if middle:
        columns["middle"] = letters(middle)
    return columns


def _family(family: str) -> str:
    """A family name without accents, generation and particles; if it is nothing else, it is that."""
    plain = f"REGEXP_REPLACE(STRIP_ACCENTS({family}), '{_SUFFIX}', '')"
    return f"REGEXP_REPLACE({plain}, '{_PARTICLES}', '')"


def _quick(value: str, odd: str, told: Mapping[str, str], plain: str = "") -> str:
    return f"CASE WHEN {told.get(value) or _PLAIN.format(value)} THEN {plain or value} ELSE {odd} END"


def _letters(value: str) -> str:
    return rf"NULLIF(REGEXP_REPLACE({value}, '[^{LETTER}]+', '', 'g'), '')"


def _double(name: str) -> str:
    """The words of a double name between spaces, in order of the alphabet; NULL if there is one word only."""
    words = rf"REGEXP_EXTRACT_ALL(REGEXP_REPLACE({name}, '[''’]', '', 'g'), '[{LETTER}]{{2,}}')"
    return f"CASE WHEN len({words}) > 1 THEN ' ' || ARRAY_TO_STRING(LIST_SORT({words}), ' ') || ' ' END"
