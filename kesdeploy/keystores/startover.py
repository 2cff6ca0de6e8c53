"""The signal of a bootstrap whose service can only be made again."""

from __future__ import annotations

from kesdeploy.errors import ServiceError


class StartOver(ServiceError):
    """A service of ours that nobody can open any more, and under which nothing was ever stored.

    Whoever catches it stops `container` (an address), empties `folder` (of the deployment's), starts the container and
    calls the bootstrap again; each of these may be repeated. With data below it, DataProtected is raised instead.
    """

    def __init__(self, what: str, *, container: str, folder: str, because: str = "", hint: str = "") -> None:
        super().__init__(what, because=because, hint=hint)
        self.container = container
        self.folder = folder
