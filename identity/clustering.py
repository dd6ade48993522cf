"""Which records are connected, and which are among others: operations on whole arrays, without a loop over rows."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
_Integer = TypeVar("_Integer", bound=np.integer)


def components(count: int, left: Ints, right: Ints) -> Ints:
    """Label each of the vertices 0 … count-1 with the smallest vertex that the edges left[i]-right[i] connect it to.

    Hooks every root onto the smallest root it touches, then halves all paths, until no edge crosses (Shiloach and Vishkin,
    1982): a logarithmic number of rounds of whole-array operations, in any order of edges the same labels.

    >>> components(5, np.array([3, 1]), np.array([1, 4])).tolist()
    [0, 1, 2, 1, 1]
    """
    parent = np.arange(count, dtype=np.int64)
    while len(left):
        low, high = np.minimum(parent[left], parent[right]), np.maximum(parent[left], parent[right])
        np.minimum.at(parent, high, low)
        while not np.array_equal(above := parent[parent], parent):
            parent = above
        crossing = parent[left] != parent[right]
        left, right = left[crossing], right[crossing]
    return parent


def among(values: npt.NDArray[np.integer], ordered: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Which values are among some others, which are in order."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.asarray(ordered[at] == values)


def distinct(*several: npt.NDArray[_Integer]) -> npt.NDArray[_Integer]:
    """The values of some arrays of one type, each once, in order. By sorting: numpy's own way, by hashing, takes several times as long.

    >>> distinct(np.array([3, 1]), np.array([1, 4])).tolist()
    [1, 3, 4]
    """
    values = np.sort(np.concatenate(several))
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


def runs(ordered: npt.NDArray[np.generic]) -> tuple[Ints, Ints]:
    """Where each run of equal values begins, and how long it is.

    >>> [part.tolist() for part in runs(np.array([7, 7, 9]))]
    [[0, 2], [2, 1]]
    """
    starts = np.flatnonzero(np.append(np.ones(min(len(ordered), 1), np.bool_), ordered[1:] != ordered[:-1]))
    return starts, np.diff(np.append(starts, len(ordered)))


def without(values: npt.NDArray[_Integer], others: npt.NDArray[_Integer]) -> npt.NDArray[_Integer]:
    """The values that are not among the others, each once, in order."""
    found = distinct(values)
    return found[~among(found, np.sort(others))]


def places(numbers: Ints, wanted: Ints) -> Ints:
    """Where each wanted number is among `numbers`."""
    at = np.empty(int(numbers.max(initial=-1)) + 1, np.int64)
    at[numbers] = np.arange(len(numbers))
    return at[wanted]
