"""The contract between c360 and a live source. Imports the standard library, pyarrow and sqlglot only."""

# sqlglot makes a dialect known before it is whole: threads that were the first to ask for one, at the same time, would read SQL by half
# of its rules
import sqlglot.dialects.duckdb
import sqlglot.dialects.postgres
import sqlglot.dialects.sqlite  # noqa: F401

from connectors.spi.capabilities import Capabilities, Judgement, Rule, Support, family, shape_of
from connectors.spi.fragment import Fragment, KeyFilter, OrderBy, Param, table_expression
from connectors.spi.schema import KINDS, Column, Statistics, Table
from connectors.spi.session import Connector, Deadline, Session, Stream, Values

__all__ = [
    "KINDS", "Capabilities", "Column", "Connector", "Deadline", "Fragment", "Judgement", "KeyFilter", "OrderBy", "Param", "Rule",
    "Session", "Statistics", "Stream", "Support", "Table", "Values", "family", "shape_of", "table_expression",
]  # fmt: skip
