"""Hashes that say nothing to whoever lacks the secret: they tell values apart, and nobody can find out which values by trying.

DuckDB's own hash() is quick and known to all; SipHash-2-4 (Aumasson and Bernstein 2012) under a key from the project's secret
makes a keyed hash of it. 64 bits: that two values fall together is possible and rare, and must cost no more than a comparison.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from functools import cache

import duckdb
import numpy as np
import numpy.typing as npt

UInts = npt.NDArray[np.uint64]

_CHUNK = 1 << 15
_WORD = (1 << 64) - 1
_PROBE = "what hash() makes of this must not change with DuckDB's releases"


def keyed(hashes: UInts, secret: bytes, purpose: str) -> UInts:
    """The keyed hash of each of DuckDB's hashes. Hashes for two purposes have nothing in common."""
    key = key_for(secret, purpose)
    found = np.empty(len(hashes), np.uint64)
    for start in range(0, len(hashes), _CHUNK):  # what fits the processor's cache is several times faster
        found[start : start + _CHUNK] = siphash(np.ascontiguousarray(hashes[start : start + _CHUNK], np.uint64), key)
    return found


def key_for(secret: bytes, purpose: str) -> bytes:
    """The key under which `keyed` hashes for a purpose."""
    return hmac.digest(secret, f"keyed hash\x1f{purpose}".encode(), "sha256")[:16]


@cache
def probe(secret: bytes) -> int:
    """A number to keep beside keyed hashes: another one later means that they were made by another release's hash()."""
    with duckdb.connect() as con:
        found = con.execute("SELECT hash(?, 1::INTEGER, NULL::VARCHAR, ''), hash('')", [_PROBE]).fetchall()[0]
    return int(keyed(np.array(found, np.uint64), secret, "probe")[0])


def keyed_hash(secret: bytes, rule: str, value: Sequence[str]) -> str:
    """What stands for a value in reports: 16 hex digits that tell it apart, under the project's secret."""
    return hmac.digest(secret, "\x1f".join(["shared value", rule, *value]).encode(), "sha256").hex()[:16]


def siphash(words: UInts, key: bytes) -> UInts:
    """SipHash-2-4 of messages of eight bytes, each a little-endian word; `key` has 16 bytes."""
    k0, k1 = (np.uint64(int.from_bytes(half, "little")) for half in (key[:8], key[8:]))
    state = [np.full(len(words), k ^ np.uint64(c)) for k, c in zip((k0, k1, k0, k1), _START, strict=True)]
    for word in (words, np.uint64(8 << 56)):  # the second block is the length alone
        state[3] = state[3] ^ word
        _rounds(state, 2)
        state[0] ^= word
    state[2] ^= np.uint64(0xFF)
    _rounds(state, 4)
    return np.asarray(state[0] ^ state[1] ^ state[2] ^ state[3], np.uint64)


def siphash_of_one(word: int, key: bytes) -> int:
    """The same of one word, in numbers of Python's: a tenth of the time that numpy takes for it."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v0, v1, v2, v3 = k0 ^ _START[0], k1 ^ _START[1], k0 ^ _START[2], k1 ^ _START[3]
    for block, rounds in ((word, 2), (8 << 56, 2), (0, 4)):
        if rounds == 4:
            v2 ^= 0xFF
        v3 ^= block
        for _ in range(rounds):
            v0 = (v0 + v1) & _WORD
            v1 = ((v1 << 13 | v1 >> 51) & _WORD) ^ v0
            v0 = (v0 << 32 | v0 >> 32) & _WORD
            v2 = (v2 + v3) & _WORD
            v3 = ((v3 << 16 | v3 >> 48) & _WORD) ^ v2
            v0 = (v0 + v3) & _WORD
            v3 = ((v3 << 21 | v3 >> 43) & _WORD) ^ v0
            v2 = (v2 + v1) & _WORD
            v1 = ((v1 << 17 | v1 >> 47) & _WORD) ^ v2
            v2 = (v2 << 32 | v2 >> 32) & _WORD
        v0 ^= block
    return v0 ^ v1 ^ v2 ^ v3


_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def _rounds(v: list[UInts], rounds: int) -> None:
    for _ in range(rounds):
        v[0] += v[1]
        v[1] = _rotated(v[1], 13) ^ v[0]
        v[0] = _rotated(v[0], 32)
        v[2] += v[3]
        v[3] = _rotated(v[3], 16) ^ v[2]
        v[0] += v[3]
        v[3] = _rotated(v[3], 21) ^ v[0]
        v[2] += v[1]
        v[1] = _rotated(v[1], 17) ^ v[2]
        v[2] = _rotated(v[2], 32)


def _rotated(words: UInts, by: int) -> UInts:
    return (words << np.uint64(by)) | (words >> np.uint64(64 - by))
