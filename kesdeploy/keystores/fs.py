"""Keys as files of the machine itself: for laptops and trials.

KES keeps each key as a file of mode 0600, unencrypted: whoever reads the disk reads the keys.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, ClassVar

from kesdeploy.engines import Mount
from kesdeploy.errors import UsageError
from kesdeploy.keystores.words import Contribution, Habits, Question, Site, Work
from kesdeploy.spec import KeystoreFields, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEYS = "kes"


class FsFields(KeystoreFields):
    """Nothing to choose: the keys lie in the deployment's folder `kes/`."""

    kind: ClassVar[str] = "fs"
    beyond: ClassVar[bool] = False


class Fs:
    kind: ClassVar[str] = "fs"
    title: ClassVar[str] = "Files on this machine"
    summary: ClassVar[str] = "no KMS at all: keys are plain files (0600) in the deployment's folder; for trying out"
    habits: ClassVar[Habits] = Habits("KES removes its file: only your own copy of kes/ would bring it back")
    fields: ClassVar[type[KeystoreFields]] = FsFields
    kes_paths: ClassVar[Mapping[str, str]] = {"fs.path": ""}

    def components(self, spec: Spec) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def shared(self, fields: KeystoreFields) -> bool:  # noqa: ARG002
        return False

    def elsewhere(self, spec: Spec) -> None:
        """KES runs here."""

    def policy(self, spec: Spec) -> str:  # noqa: ARG002
        return ""

    def spelt_out(self, spec: Spec) -> KeystoreFields:
        return spec.keystore

    def contribute(self, spec: Spec, site: Site) -> Contribution:  # noqa: ARG002
        # Not at /kes: that is the binary in KES's own image.
        return Contribution(
            context={"path": "/keys"},
            mounts=(Mount(site.path(KEYS), "/keys", read_only=False, relabel=False),),
            data=(KEYS,),
        )

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:  # noqa: ARG002
        return ()

    def preflight(self, work: Work) -> None:
        """Nothing outside of the machine is needed."""

    def unsettled(self, work: Work) -> str | None:  # noqa: ARG002
        return None

    def bootstrap(self, work: Work) -> None:
        """There is no service to set up."""

    def renews(self, spec: Spec) -> bool:  # noqa: ARG002
        return False

    def renew(self, work: Work) -> None:
        raise UsageError(
            "KES has no login to renew: the keys are files of this machine",
            hint=f"kesdeploy rotate-credentials --all -n {work.spec.name}",
        )

    def renewed(self, work: Work) -> bool:  # noqa: ARG002
        return False

    def retire(self, work: Work) -> str:  # noqa: ARG002
        return ""

    def lacks(self, work: Work) -> str:
        keys = (f"{KEYS}/{key}" for key in work.home.guarded_keys())
        return next((key for key in keys if not _holds_a_key(work.home.path(key))), "")

    def instance(self, work: Work) -> str:  # noqa: ARG002
        return ""

    def restore(self, spec: Spec, key: str) -> str:  # noqa: ARG002
        return f"put {KEYS}/{key} back from your copy"

    def state(self, work: Work) -> str:
        return "ok" if work.home.path(KEYS).is_dir() else "MISSING"


def _holds_a_key(file: Path) -> bool:
    """Whether it can: KES goes on with the copy in its memory where it was damaged, and then has none.

    Base64, and JSON of releases before 2024-02-29 (internal/crypto/key.go).
    """
    try:
        data = file.read_bytes()
        return bool(data) and (data.startswith(b"{") or bool(base64.b64decode(data.strip(), validate=True)))
    except (OSError, ValueError):
        return False
