"""What lies in a project's state directory: the secret, the models in use, the crosswalk that serves."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from federation.disk import state_told
from federation.errors import NoCrosswalk
from identity.crosswalk import Crosswalk
from views.model import Model

if TYPE_CHECKING:
    from federation.project import Project

SECRET_FILE = "secret"


def project_secret(model: Model) -> bytes:
    """The secret under which ids are minted: the project's own, or one made once and kept beside the crosswalk (mode 0600).

    Raises: FileForbidden, FileUnwritable, FileUnreadable; MissingSecret.
    """
    if (found := known_secret(model)) is not None:
        return found
    with state_told():
        _make_secret(Path(model.state) / SECRET_FILE)
    return project_secret(model)


def known_secret(model: Model) -> bytes | None:
    """As `project_secret`; None where it is yet to be made."""
    if model.secret is not None:
        return model.secret.reveal().encode()
    with state_told(), suppress(FileNotFoundError):
        return (Path(model.state) / SECRET_FILE).read_text().strip().encode()
    return None


def _make_secret(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    with suppress(FileExistsError):  # whoever was first, at the same time, made it whole
        path.hardlink_to(draft)
    draft.unlink()


def models_folder(project: Project) -> Path:
    """Where the models in use are."""
    return Path(project.model.state) / "models"


def serving(project: Project) -> Crosswalk:
    """The version of the crosswalk that serves. Raises: NoCrosswalk, before the first; what `CrosswalkStore.current` raises."""
    found = project.store.current()
    if found is None:
        raise NoCrosswalk("there is no crosswalk yet", hint="run `c360 resolve`")
    return found
