"""The kinds of things in a steward's queue, by the words that people read."""

from __future__ import annotations

NEAR, REFUSED, WEAK, BRIDGE = "near match", "refused merge", "weak link", "bridge"
CROWD, BLOCK, CHURN = "shared value", "over-cap block", "id churn"
KINDS = (NEAR, REFUSED, WEAK, BRIDGE, CROWD, BLOCK, CHURN)
