"""A connector around a real one, whose streams stop giving rows until they are cancelled; and which counts its sessions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from connectors.spi import Deadline, Fragment
from connectors.spi.errors import Cancelled
from federation.project import Project


class Stalling:
    """Stands in for `source` of a project while the `with` lasts. `after` batches pass before it stalls; None: never."""

    def __init__(self, project: Project, source: str, after: int | None = 0) -> None:
        self.project, self.source, self.after = project, source, after
        self.inner = project.source(source)
        self.open = self.opened = 0
        self.reached = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def session(self, deadline: Deadline, *, snapshot: bool) -> _Session:
        self.opened += 1
        self.open += 1
        return _Session(self, self.inner.session(deadline, snapshot=snapshot))

    def __enter__(self) -> Stalling:
        self.project._connectors[self.source] = self  # type: ignore[assignment]
        self.project.forget_plans()
        return self

    def __exit__(self, *_: object) -> None:
        self.project._connectors[self.source] = self.inner
        self.project.forget_plans()


class _Session:
    def __init__(self, owner: Stalling, inner: Any) -> None:
        self.owner, self.inner, self.ended = owner, inner, threading.Event()
        self.closed = False

    def run(self, fragment: Fragment, values: Any) -> Any:
        return _Stream(self, self.inner.run(fragment, values))

    def cancel(self) -> None:
        self.ended.set()
        self.inner.cancel()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.owner.open -= 1
        self.inner.close()


class _Stream:
    def __init__(self, session: _Session, inner: Any) -> None:
        self.session, self.inner = session, inner
        self.schema, self.statement = inner.schema, inner.statement

    @property
    def requests(self) -> int:
        return int(self.inner.requests)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(self.inner):
            if number == self.session.owner.after:
                self.session.owner.reached.set()
                self.session.ended.wait()
                raise Cancelled("the query was cancelled")
            yield batch

    def close(self) -> None:
        self.inner.close()
