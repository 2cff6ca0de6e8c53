"""What every keystore module is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from kesdeploy.engines import Mount, Port
    from kesdeploy.home import Home
    from kesdeploy.report import Reporter
    from kesdeploy.resources import Ref, Resource
    from kesdeploy.spec import KeystoreFields, Spec


@dataclass(frozen=True)
class Pick:
    """The image that was chosen for a component: its id (or reference, while it is not here yet) and its entrypoint.

    version: its tag; empty while nobody knows.
    """

    image: str
    entrypoint: tuple[str, ...]
    version: str = ""


@dataclass(frozen=True)
class Site:
    """Where a deployment is to stand. Pure data: the folder as text, the containers' user, the chosen images.

    retiring: KES identities that have a predecessor, NAME.old, which is still trusted.
    guarded: keys that data here was encrypted with, although the spec may name them no more.
    """

    root: str
    user: str
    images: Mapping[str, Pick]
    retiring: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()

    def path(self, relative: str) -> str:
        return f"{self.root}/{relative}"


@dataclass(frozen=True)
class Contribution:
    """What a keystore adds to a deployment.

    resources: its own certificates, files, containers, bootstrap.
    context, refs: for its template `kes/keystore-KIND.yaml.j2`.
    uses: resources that the KES container reads (its configuration and certificates are added by the topology).
    restarts: those of them that KES reads at its start alone.
    needs: resources that must be there before KES is configured.
    """

    resources: tuple[Resource, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    refs: Mapping[str, Ref] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    data: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Elsewhere:
    """A KES that others run. None is deployed then, and MinIO's identity, which the keystore brings, is the only one.

    ca: the PEM file to trust, by its name in the folder of MinIO's configuration; empty: the public roots alone.
    certificate: MinIO logs in with a certificate, not with an API key.
    secrets: resources that MinIO's identity is made of, where the user brought it.
    """

    endpoints: tuple[str, ...]
    ca: str = ""
    certificate: bool = False
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """Something only the user can answer.

    path: its key in the spec; a secret's answer goes to `secrets/` as `store` instead.
    """

    path: str
    prompt: str
    explain: str
    default: str = ""
    secret: bool = False
    store: str = ""
    skip: str = ""
    """The answer that leaves the key out. Only the wizard asks such a question: nothing is lacking without it."""
    environment: tuple[str, ...] = ()
    """Variables whose value the wizard proposes: the first that is set. It says so, and none is used silently."""


@dataclass(frozen=True)
class Work:
    """What a keystore module may touch when it checks or sets up its service.

    hopeless: whether its container has ended, so that nobody need wait for it any longer.
    """

    spec: Spec
    home: Home
    now: datetime
    report: Reporter
    timeout: float
    hopeless: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Habits:
    """What a keystore does with the keys in it, for whoever handles them one by one.

    deleting: what KES's deletion of a key means there.
    unlisted: why names cannot be listed; empty: they can.
    besides: what else a listing shows, where not everything in it is a key.
    most: how many names a listing ever has; 0: all.
    rights: what KES needs there to make a key, to read it and to remove it, as the keystore calls it.
    """

    deleting: str
    unlisted: str = ""
    besides: str = ""
    most: int = 0
    rights: tuple[str, str, str] = ("", "", "")


class Keystore(Protocol):
    """One KMS."""

    kind: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    habits: ClassVar[Habits]
    fields: ClassVar[type[KeystoreFields]]
    kes_paths: ClassVar[Mapping[str, str]]
    """Where KES's own configuration has what: its path below `keystore` -> our key, empty where we decide it."""

    def components(self, spec: Spec) -> tuple[str, ...]:
        """Images that it needs besides KES and MinIO."""

    def shared(self, fields: KeystoreFields) -> bool:
        """Whether others can reach it: then the default key gets a name that nobody else uses."""

    def elsewhere(self, spec: Spec) -> Elsewhere | None:
        """The KES that others run, where that is what holds the keys; None: kesdeploy runs KES. Pure."""

    def policy(self, spec: Spec) -> str:
        """What has to be granted on its side, ready to paste there; empty where nothing has. Pure."""

    def spelt_out(self, spec: Spec) -> KeystoreFields:
        """Its fields with everything said that would follow from the deployment's name. Pure."""

    def contribute(self, spec: Spec, site: Site) -> Contribution:
        """What is needed because of it. Pure."""

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        """What the user has to say, given what is known; the caller leaves out secrets that are stored already."""

    def preflight(self, work: Work) -> None:
        """Prove, before anything is started, that it can work; ServiceError with the service's own words when not."""

    def unsettled(self, work: Work) -> str | None:
        """Why `bootstrap` must run (again), or None. Cheap: every `up` asks."""

    def bootstrap(self, work: Work) -> None:
        """Make its service ready for KES. Safe to repeat, and to be killed anywhere."""

    def renews(self, spec: Spec) -> bool:
        """Whether KES has a login that kesdeploy may make anew by itself. Pure."""

    def renew(self, work: Work) -> None:
        """A new login for KES, in `secrets/`, beside the old one, which goes on working.

        Raises before anything is changed where that cannot be, with what to type instead.
        """

    def renewed(self, work: Work) -> bool:
        """Whether a login that `renew` replaced may still work. From files alone."""

    def retire(self, work: Work) -> str:
        """Make such a login worthless, and tell how that was seen. KES uses the new one by now.

        Empty where there is none, or nobody here may: that is warned of.
        """

    def lacks(self, work: Work) -> str:
        """What of the keystore itself lies in the folder, is gone, and is needed by the data: its path. Else empty."""

    def instance(self, work: Work) -> str:
        """What tells this very service from another one at the same address; empty where nothing does."""

    def restore(self, spec: Spec, key: str) -> str:
        """What may bring a lost key back: a command, or who is to be asked. Pure."""

    def state(self, work: Work) -> str:
        """One word for `status`, as in ok, SEALED or UNREACHABLE."""
