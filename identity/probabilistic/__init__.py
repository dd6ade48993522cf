"""Who is who by weight of evidence: Fellegi–Sunter over a histogram of comparison patterns, trained without labels.

The way of a run: prepare (columns to compare) → hygiene (values that are nobody's) → frequencies → blocking (candidate pairs) →
compare (a pattern per pair) → training (what each pattern is worth) → correlation clustering.
"""
