"""One deployment while a command works on it: what every effect needs, handed down as one value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kesdeploy import keystores, pki
from kesdeploy.errors import CertificateError
from kesdeploy.keystores import Keystore, Work

if TYPE_CHECKING:
    from threading import Event

    from kesdeploy.engines import Container, Engine
    from kesdeploy.home import Home
    from kesdeploy.report import Reporter
    from kesdeploy.resources import Ref
    from kesdeploy.spec import Spec
    from kesdeploy.state import StateFile

# The marks on everything of ours that the engine holds.
LABEL = "kesdeploy.deployment"
FOLDER = "kesdeploy.folder"
ADDRESS = "kesdeploy.address"
DIGEST = "kesdeploy.digest"
PARTS = "kesdeploy.parts"
COMPONENT = "kesdeploy.component"


def marks(home: Home) -> dict[str, str]:
    """What is a deployment's own: its name, and its folder (two users may both have one that is called `fs`)."""
    return {LABEL: home.name, FOLDER: str(home.root)}


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Deployment:
    """`timeout` is in seconds, and counts for each single wait."""

    spec: Spec
    home: Home
    engine: Engine
    state: StateFile
    report: Reporter
    timeout: float
    now: datetime
    cancelled: Event
    adopt_key: bool = False
    new_keys: bool = False
    """Whether a server certificate that is issued gets a new key as well."""

    @property
    def name(self) -> str:
        return self.home.name

    @property
    def keystore(self) -> Keystore:
        return keystores.of(self.spec)

    @property
    def work(self) -> Work:
        return Work(self.spec, self.home, self.now, self.report, self.timeout)

    @property
    def labels(self) -> dict[str, str]:
        return marks(self.home)

    @property
    def holds_data(self) -> bool:
        """Whether MinIO has written anything that a lost key would make unreadable."""
        return self.home.holds_data

    def image_of(self, container: Container) -> str:
        """What a container runs, as it was chosen for its component.

        The stand-ins share one image under several names, of which the engine tells any.
        """
        pinned = self.state.value.images.get(container.labels.get(COMPONENT, ""))
        return pinned.reference if pinned and pinned.id == container.image_id else container.image

    def value(self, ref: Ref) -> str:
        """What a Ref stands for. FileNotFoundError while it does not exist, CertificateError when it is damaged."""
        if ref.kind == "secret":
            return self.home.path(f"secrets/{ref.name}").read_text()
        if ref.kind == "certificate":
            return self.home.identity(ref.name)[0].read_text()
        path = self.home.identity(ref.name)[1]
        try:
            key = path.read_bytes()
            return pki.identity(key) if ref.kind == "identity" else pki.api_key_of(key)
        except CertificateError as error:
            hint = f"put it back from your copy; or, for a new identity: rm {path}; kesdeploy up -n {self.name}"
            raise CertificateError(f"{path} is damaged", because=error.what, hint=hint) from error
