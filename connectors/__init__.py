"""Live sources behind one contract (`connectors.spi`); concrete connectors are reached through `connectors.registry` only."""
