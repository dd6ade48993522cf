"""What can be wrong with a query or a command, and whose move it is. The root of the tree is in connectors.spi.errors."""

from __future__ import annotations

from connectors.spi.errors import C360Error, UserError


class QueryError(UserError):
    """The query's text must change."""

    code = "C360_QUERY"


class QuerySyntax(QueryError):
    """The text is no SQL of DuckDB's dialect."""

    code = "C360_QUERY_SYNTAX"


class NotOneSelect(QueryError):
    """The statement is not exactly one SELECT (or set operation of SELECTs)."""

    code = "C360_NOT_ONE_SELECT"


class NotSupported(QueryError):
    """A construct that the gateway does not let through, such as PIVOT or a recursive CTE."""

    code = "C360_NOT_SUPPORTED"


class UnknownObject(QueryError):
    """The query reads a relation that the project does not have."""

    code = "C360_UNKNOWN_OBJECT"


class UnknownColumn(QueryError):
    """The query names an attribute that its objects do not have, or that more than one has."""

    code = "C360_UNKNOWN_COLUMN"


class FunctionRefused(QueryError):
    """The query calls a function that is not on the list of those that touch nothing outside the query."""

    code = "C360_FUNCTION_REFUSED"


class MissingParameter(QueryError):
    """A parameter of the query was not given, or one was given that it does not have."""

    code = "C360_MISSING_PARAMETER"


class PolicyRefused(UserError):
    """A policy does not let this principal read the relation for this purpose."""

    code = "C360_POLICY_REFUSED"


class UnknownPrincipal(UserError):
    """The project lists its principals, and this one is not among them."""

    code = "C360_UNKNOWN_PRINCIPAL"


class NoCrosswalk(UserError):
    """id360 is read, and no `resolve` has made the links yet."""

    code = "C360_NO_CROSSWALK"


class QueryTimeout(UserError):
    """The query ran out of its time."""

    code = "C360_QUERY_TIMEOUT"


class OverMemory(UserError):
    """The query needs more memory than its budget; nothing spills to disk."""

    code = "C360_OVER_MEMORY"


class OverRows(UserError):
    """The answer has more rows than the caller allowed."""

    code = "C360_OVER_ROWS"


class QueryFailed(QueryError):
    """The query's own expressions failed on the rows it may see (a cast, an overflow)."""

    code = "C360_QUERY_FAILED"


class MappingFailed(UserError):
    """A mapping's expression failed on a source's rows, or does not fit its attribute's type."""

    code = "C360_MAPPING_FAILED"


class AttributeType(UserError):
    """A column that is matched is of a type that cannot be what it is mapped as: a list, a structure or bytes as a name."""

    code = "C360_ATTRIBUTE_TYPE"


class ChangedAt(UserError):
    """A mapping's `changed_at` names a column by which nobody can tell what is new."""

    code = "C360_CHANGED_AT"


class ProjectClosed(UserError):
    """The project was closed; its connections are gone."""

    code = "C360_PROJECT_CLOSED"


class FileUnwritable(UserError):
    """The disk has no room for a file, or does not let it be written."""

    code = "C360_FILE_UNWRITABLE"


class FileForbidden(UserError):
    """This user may not read a file of the project or its state, or not write it."""

    code = "C360_FILE_FORBIDDEN"


class FileUnreadable(UserError):
    """A file or folder of the project's state cannot be used: its disk fails, or it is of another sort than it should be."""

    code = "C360_FILE_UNREADABLE"


class UnknownQuery(UserError):
    """No query of that id is running."""

    code = "C360_UNKNOWN_QUERY"


class NoSuchPerson(UserError):
    """Nobody has the id, identifier or source key that a profile was asked for."""

    code = "C360_NO_SUCH_PERSON"


class BadWindow(UserError):
    """A window is no number of hours, days, weeks, months or years."""

    code = "C360_BAD_WINDOW"


class AmbiguousPerson(UserError):
    """More than one person, or new records that no rule makes one, carry the identifier that a profile was asked for."""

    code = "C360_AMBIGUOUS_PERSON"


__all__ = [name for name, thing in list(globals().items()) if isinstance(thing, type) and issubclass(thing, C360Error)]


class NotEmpty(UserError):
    """What `c360 init` would write is there already."""

    code = "C360_INIT_EXISTS"


class NotWritten(UserError):
    """What `c360 discover --write` would write is there already."""

    code = "C360_DISCOVER_WRITE"
