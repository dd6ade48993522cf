"""How well clusters hang together: the weakest edge of a maximum spanning tree, and bridges. Whole arrays, no loop over records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from identity.clustering import Ints, components
from identity.constraints import Floats

NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Cohesion:
    """One row per cluster of at least `least` records that has edges, ordered by `cluster` (its smallest record).

    `weakest` and `bridge` are indices of the edges given; `bridge` is NONE where no edge splits the cluster into two parts of at
    least two records each, else the one with the largest lesser part: `part` are the records of that part.
    """

    cluster: Ints
    records: Ints
    weakest: Ints
    bridge: Ints
    part: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    """Vertices 0 … count-1 of `weight` records each, `cluster` of each; edge i is told as edge `of[i]` of those given."""

    left: Ints
    right: Ints
    bits: Floats
    of: Ints
    weight: Ints
    cluster: Ints


def cohesion(labels: Ints, left: Ints, right: Ints, bits: Floats, *, stars: Ints | None = None, least: int = 3) -> Cohesion:
    """Judge clusters by the edges left[i]-right[i] within them, of `bits` each (+inf: certain).

    `labels[rec]` is the smallest record of the cluster. `stars[i]` says which block an edge is of, if edges are stars (all of a
    block around left[i]) for records that all agree: then no edge of a block of three is a bridge by itself.

    >>> labels, chain = np.zeros(4, np.int64), (np.array([0, 1, 2]), np.array([1, 2, 3]), np.array([9.0, 1.0, 8.0]))
    >>> found = cohesion(labels, *chain)
    >>> found.weakest.tolist(), found.bridge.tolist(), found.part.tolist()
    ([1], [1], [2])
    """
    sizes = np.bincount(labels, minlength=len(labels))
    kept = np.flatnonzero(sizes[labels[left]] >= least)
    graph = _graph(labels, left[kept], right[kept], bits[kept], kept, None if stars is None else stars[kept])
    tree = spanning_forest(len(graph.weight), graph.left, graph.right, graph.bits)
    clusters, at = np.unique(graph.cluster[graph.left[tree]], return_inverse=True)
    order = np.lexsort((graph.of[tree], graph.bits[tree], at))
    starts = np.searchsorted(at[order], np.arange(len(clusters)))
    weakest = graph.of[tree[order[starts]]] if len(clusters) else np.empty(0, np.int64)
    bridge, part = _bridges(graph, tree, clusters)
    return Cohesion(clusters, sizes[clusters], weakest, bridge, part)


def _graph(labels: Ints, left: Ints, right: Ints, bits: Floats, of: Ints, stars: Ints | None) -> _Graph:
    """Records as vertices; with stars, every block is a vertex too, which holds no record."""
    used = np.zeros(len(labels), bool)
    used[left] = used[right] = True
    recs, number = np.flatnonzero(used), np.cumsum(used) - 1
    one, other = number[left], number[right]
    weight, cluster = np.ones(len(recs), np.int64), labels[recs]
    if stars is None or not len(left):
        return _Graph(one, other, bits, of, weight, cluster)
    _, first, block = np.unique(stars, return_index=True, return_inverse=True)
    block += len(recs)
    return _Graph(
        np.concatenate([one[first], other]),
        np.concatenate([block[first], block]),
        np.concatenate([bits[first], bits]),
        np.concatenate([of[first], of]),
        np.concatenate([weight, np.zeros(len(first), np.int64)]),
        np.concatenate([cluster, labels[left[first]]]),
    )


def spanning_forest(count: int, left: Ints, right: Ints, weight: Floats) -> Ints:
    """Indices of the edges of a maximum spanning forest (Borůvka 1926: every tree takes its best edge, in rounds).

    >>> spanning_forest(3, np.array([0, 1, 0]), np.array([1, 2, 2]), np.array([5.0, 1.0, 4.0])).tolist()
    [0, 2]
    """
    order = np.lexsort((right, left, -weight))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    chosen = np.zeros(len(left), bool)
    labels = np.arange(count, dtype=np.int64)
    open_edges = np.arange(len(left))
    while True:
        one, other = labels[left[open_edges]], labels[right[open_edges]]
        crossing = one != other
        open_edges, one, other = open_edges[crossing], one[crossing], other[crossing]
        if not len(open_edges):
            return np.flatnonzero(chosen)
        best = np.full(count, len(order), np.int64)
        np.minimum.at(best, one, rank[open_edges])
        np.minimum.at(best, other, rank[open_edges])
        chosen[order[best[best < len(order)]]] = True
        labels = components(count, left[chosen], right[chosen])


def _bridges(graph: _Graph, tree: Ints, clusters: Ints) -> tuple[Ints, Ints]:
    """Per cluster its bridge (an edge as given) with the records of the lesser part; NONE and 0 without.

    A tree edge is a bridge if no other edge goes round it: each other edge puts one random number on both its ends, and the
    numbers below a tree edge cancel out only if none goes round.
    """
    count = len(graph.weight)
    parent, by, levels = _rooted(count, graph.left[tree], graph.right[tree], tree)
    rest = np.ones(len(graph.left), bool)
    rest[tree] = False
    others = np.flatnonzero(rest)
    marks = np.random.Generator(np.random.PCG64(360)).integers(1, 1 << 63, len(others), dtype=np.uint64)
    below, records = np.zeros(count, np.uint64), graph.weight.copy()
    np.bitwise_xor.at(below, graph.left[others], marks)
    np.bitwise_xor.at(below, graph.right[others], marks)
    for level in reversed(levels[1:]):
        np.bitwise_xor.at(below, parent[level], below[level])
        np.add.at(records, parent[level], records[level])
    child = np.flatnonzero(by != NONE)
    total = np.bincount(np.searchsorted(clusters, graph.cluster), graph.weight, len(clusters)).astype(np.int64)
    at = np.searchsorted(clusters, graph.cluster[child])
    lesser = np.minimum(records[child], total[at] - records[child])
    found = (below[child] == 0) & (lesser >= 2)
    child, at, lesser = child[found], at[found], lesser[found]
    order = np.lexsort((graph.of[by[child]], graph.bits[by[child]], -lesser, at))
    best, first = np.unique(at[order], return_index=True)
    bridge, part = np.full(len(clusters), NONE, np.int64), np.zeros(len(clusters), np.int64)
    bridge[best], part[best] = graph.of[by[child[order[first]]]], lesser[order[first]]
    return bridge, part


def _rooted(count: int, left: Ints, right: Ints, edge: Ints) -> tuple[Ints, Ints, list[Ints]]:
    """Of a forest: each vertex' parent, the edge to it (NONE for roots), and the vertices by depth."""
    start, end, along = np.concatenate([left, right]), np.concatenate([right, left]), np.concatenate([edge, edge])
    order = np.argsort(start, kind="stable")
    end, along = end[order], along[order]
    first = np.searchsorted(start[order], np.arange(count + 1))
    parent, by = np.arange(count, dtype=np.int64), np.full(count, NONE, np.int64)
    level = np.flatnonzero(components(count, left, right) == np.arange(count))
    seen: npt.NDArray[np.bool_] = np.zeros(count, bool)
    levels = []
    while len(level):
        levels.append(level)
        seen[level] = True
        degree = first[level + 1] - first[level]
        starts = np.repeat(first[level] - (np.cumsum(degree) - degree), degree)
        slots = starts + np.arange(int(degree.sum()))
        above = np.repeat(level, degree)
        fresh = ~seen[end[slots]]
        level = end[slots][fresh]
        parent[level], by[level] = above[fresh], along[slots][fresh]
    return parent, by, levels
