"""What the disk or its permissions refuse of the project's own files, as coded errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from pathlib import Path

from connectors.spi.errors import C360Error
from federation.errors import FileForbidden, FileUnreadable, FileUnwritable
from identity.crosswalk import Crosswalk
from identity.errors import CrosswalkDamaged
from identity.versions.store import CrosswalkStore

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EISDIR, errno.ENAMETOOLONG)


def coded(error: OSError) -> C360Error | None:
    """The coded error of a file that cannot be written, or may not be opened; None of any other failure."""
    place = _place(error)
    if error.errno in _FULL:
        return FileUnwritable(f"{place} cannot be written: {error.strerror}", hint="make room on its disk, or let this user write there")
    if isinstance(error, PermissionError):
        return forbidden(place)
    if isinstance(error, FileNotFoundError) and error.filename and not (folder := Path(os.fsdecode(error.filename)).parent).is_dir():
        return FileUnwritable(f"{place} cannot be written: there is no folder `{folder}`", hint="make the folder, or name another")
    return None


def forbidden(place: str) -> FileForbidden:
    """What is told of a place that this user may not open."""
    return FileForbidden(
        f"this user may not open {place}", hint="run as the user whose project it is, or let this one read and write there"
    )


@contextmanager
def state_told() -> Iterator[None]:
    """What the disk refuses within the block, of files of the state, is raised with a code: as FileForbidden, FileUnwritable or else
    FileUnreadable."""
    try:
        yield
    except OSError as error:
        hint = "`state` in c360.yml names the folder of the crosswalk; see what its disk says"
        raise coded(error) or FileUnreadable(f"{_place(error)} cannot be used: {error.strerror}", hint=hint) from error


class StateStore(CrosswalkStore):
    """The crosswalk in a project's state: what the disk refuses when it is read has a code, whoever asks."""

    _around: Callable[[Path], AbstractContextManager[None]] | None = None

    def within(self, around: Callable[[Path], AbstractContextManager[None]]) -> StateStore:
        """This store, which publishes within what `around` makes of the whole file of a version: if that raises before, the one before
        serves on."""
        found = copy(self)
        found._around = around
        return found

    def publish(self, file: Path, version: int) -> None:
        """As CrosswalkStore.publish."""
        with self._around(file) if self._around is not None else nullcontext():
            super().publish(file, version)

    def current(self) -> Crosswalk | None:
        """As CrosswalkStore.current. Raises besides: FileForbidden, FileUnreadable."""
        with _reading():
            return super().current()

    def at(self, version: int) -> Crosswalk:
        """As CrosswalkStore.at. Raises besides: FileForbidden, FileUnreadable."""
        with _reading():
            return super().at(version)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        with state_told():
            yield
    except CrosswalkDamaged as error:
        if isinstance(refused := error.__cause__, PermissionError):  # whole perhaps, but another's
            raise forbidden(_place(refused)) from error
        raise


def _place(error: OSError) -> str:
    return f"`{os.fsdecode(error.filename)}`" if error.filename else "a file"
