"""The signals of a bootstrap whose service can only be started, or made, again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from kesdeploy.errors import KesdeployError


class StartOver(ServiceError):
    """A service of ours that nobody can open any more, and under which nothing was ever stored.

    Whoever catches it stops `container` (an address), empties `folder` (of the deployment's), starts the container and
    calls the bootstrap again; each of these may be repeated. With data below it, DataProtected is raised instead.
    """

    def __init__(self, what: str, *, container: str, folder: str, because: str = "", hint: str = "") -> None:
        super().__init__(what, because=because, hint=hint)
        self.container = container
        self.folder = folder


class StartAgain(ServiceError):
    """The keystore's service has to be started again, which may help. `otherwise`: what is wrong if it does not."""

    def __init__(self, what: str, *, container: str, otherwise: KesdeployError) -> None:
        super().__init__(what, because=otherwise.because, hint=otherwise.hint)
        self.container = container
        self.otherwise = otherwise
