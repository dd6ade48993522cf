"""Resolving only what changed since the last resolve, and the index that makes it possible."""
