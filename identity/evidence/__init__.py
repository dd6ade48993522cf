"""Why records are one person, or are not: what is kept of it, and how it is told."""
