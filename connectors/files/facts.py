"""What a store said of a file (size, time, version), asked once per question: DuckDB asks a filesystem again at every step of opening."""

from __future__ import annotations

from typing import Any


class Facts:
    """Facts by path, as of the beginning of the latest question to the source. Threads may share it: an entry is set or read as a whole."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def forget(self) -> None:
        """A new question begins: files may have changed. Whoever still asks by the old dict is not disturbed."""
        self.known = {}


def remembers_facts(kind: type[Any]) -> type[Any]:
    """An asynchronous fsspec filesystem class as one whose `_info` asks the store once per path and question. Its first argument is the
    Facts. That there is no such file is not remembered."""

    class Remembering(kind):  # type: ignore[misc]
        def __init__(self, facts: Facts, **options: Any) -> None:
            self._facts = facts
            super().__init__(**options)

        async def _info(self, path: str, *args: Any, **options: Any) -> Any:
            known, name = self._facts.known, self._strip_protocol(path)
            if options.get("refresh") or options.get("version_id"):
                return await super()._info(path, *args, **options)
            if name not in known:
                known[name] = await super()._info(path, *args, **options)
            return known[name]

    return Remembering
