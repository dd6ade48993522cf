"""The contract suite: what every connector must prove against the live thing. Needs pytest and DuckDB."""

from connectors.testing.contract import ConnectorContract
from connectors.testing.nasty import Made, Sample, nasty

__all__ = ["ConnectorContract", "Made", "Sample", "nasty"]
