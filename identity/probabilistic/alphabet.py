r"""What is a letter, for patterns that are compiled anew with every statement.

`\p{L}` has some six hundred ranges: DuckDB compiles it for 1.5 ms wherever it stands, which is longer than it takes to match it against
thousands of values. LETTER says the same of Latin, Greek, Cyrillic, Hebrew, Arabic and East Asian writing in two dozen ranges; what other
scripts have of digits, vowel signs and punctuation of their own counts as letters too.
"""

from __future__ import annotations

LETTER = (
    r"a-zA-Z\x{AA}\x{B5}\x{BA}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{2C1}\x{370}-\x{373}\x{376}-\x{377}\x{37A}-\x{37D}\x{37F}\x{386}"
    r"\x{388}-\x{481}\x{48A}-\x{589}\x{5D0}-\x{5F2}\x{620}-\x{64A}\x{66E}-\x{66F}\x{671}-\x{6D3}\x{6D5}\x{6E5}-\x{6E6}\x{6EE}-\x{963}"
    r"\x{966}-\x{1FFF}\x{2C00}-\x{2DFF}\x{3005}-\x{3006}\x{3031}-\x{309A}\x{309D}-\x{30FA}\x{30FC}-\x{D7FF}\x{F900}-\x{FDFB}\x{FE70}-\x{FEFE}"
    r"\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{FF66}-\x{FFDC}\x{10000}-\x{1CFFF}\x{20000}-\x{3FFFF}"
)
"""For use between brackets: f"[^{LETTER}]+"."""
