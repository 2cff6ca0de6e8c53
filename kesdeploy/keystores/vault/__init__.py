"""OpenBao or HashiCorp Vault: run by kesdeploy, or somebody else's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from kesdeploy.errors import CertificateError, ServiceError, UsageError
from kesdeploy.keystores.vault import (
    asking,
    back,
    door,
    external,
    granting,
    managed,
    names,
    opening,
    ours,
    preflight,
    renewal,
    setup,
    theirs,
    transit,
)
from kesdeploy.keystores.vault.fields import VaultFields
from kesdeploy.keystores.vault.kes import KES_PATHS
from kesdeploy.keystores.words import Habits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.vault.door import Login, ServiceAccount
    from kesdeploy.keystores.words import Contribution, Question, Site, Work
    from kesdeploy.spec import KeystoreFields, Spec

_REFUSED: set[Login | ServiceAccount] = set()


class Vault:
    kind: ClassVar[str] = "vault"
    title: ClassVar[str] = "OpenBao or HashiCorp Vault"
    summary: ClassVar[str] = "kesdeploy runs an OpenBao for you, or uses the Vault that you have"
    habits: ClassVar[Habits] = Habits(
        "Vault destroys it with all its versions: only a backup of Vault itself would bring it back",
        rights=(
            "create and read on the key's path (and update on transit's encrypt)",
            "read on the key's path (and update on transit's decrypt)",
            "delete on the key's path (of KV v2: below metadata/)",
        ),
    )
    fields: ClassVar[type[KeystoreFields]] = VaultFields
    kes_paths: ClassVar[Mapping[str, str]] = KES_PATHS

    def components(self, spec: Spec) -> tuple[str, ...]:
        fields = names.fields(spec)
        return (fields.product,) if fields.managed else ()

    def shared(self, fields: KeystoreFields) -> bool:
        return bool(getattr(fields, "address", None))

    def elsewhere(self, spec: Spec) -> None:
        """KES runs here."""

    def policy(self, spec: Spec) -> str:
        return granting.commands(spec)

    def spelt_out(self, spec: Spec) -> KeystoreFields:
        return spec.keystore.model_copy(update={"prefix": names.prefix(spec)})

    def contribute(self, spec: Spec, site: Site) -> Contribution:
        return managed.contribute(spec, site) if names.fields(spec).managed else external.contribute(spec)

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        return asking.questions(fields, os.environ)

    def preflight(self, work: Work) -> None:
        """Ask a Vault of the user's for all that KES will need of it; one of ours does not exist yet."""
        if names.fields(work.spec).managed:
            opening.same_kind(work)
        else:
            preflight.preflight(work)

    def unsettled(self, work: Work) -> str | None:
        return ours.unsettled(work) if names.fields(work.spec).managed else theirs.unsettled(work)

    def bootstrap(self, work: Work) -> None:
        """Raises StartOver when a Vault of ours has to be made again, DataProtected when that would lose data."""
        if names.fields(work.spec).managed:
            setup.bootstrap(work)
        else:
            theirs.bootstrap(work)

    def renews(self, spec: Spec) -> bool:
        fields = names.fields(spec)
        return not (fields.kubernetes or fields.approle.secret)

    def renew(self, work: Work) -> None:
        """A new secret id for KES's AppRole. In a Vault of the user's, with VAULT_TOKEN or rights of KES's own."""
        renewal.renew(work)

    def renewed(self, work: Work) -> bool:
        return renewal.renewed(work)

    def retire(self, work: Work) -> str:
        """Destroy the old secret id; in a Vault of ours, all but the present one, and kesdeploy's own likewise."""
        return renewal.retire(work)

    def lacks(self, work: Work) -> str:
        return back.lacks(work)

    def instance(self, work: Work) -> str:
        return back.instance(work)

    def restore(self, spec: Spec, key: str) -> str:
        return back.restore(spec, key)

    def state(self, work: Work) -> str:
        """One of ok, SEALED, UNINITIALISED, UNREACHABLE, DENIED, and `transit.ROTATED`."""
        try:
            seen = door.seen(work)
            if not seen.initialized:
                return "UNINITIALISED"
            return "SEALED" if seen.sealed else _inside(work)
        except (CertificateError, ServiceError, UsageError):
            return "UNREACHABLE"


def _inside(work: Work) -> str:
    """How it is for KES, with what KES logs in with now.

    A Vault of the user's that refused a login once is not asked again, as `status --watch` would every two seconds: the
    fifth time locks the role, for whoever else has it (user_lockout).
    """
    login = door.has(work)
    if login is None or login in _REFUSED:
        return "DENIED"
    if (entered := door.admits(work, login)) is None:
        if not names.fields(work.spec).managed:
            _REFUSED.add(login)
        return "DENIED"
    try:
        return transit.ROTATED if transit.rotated(work, entered) else "ok"
    finally:
        entered.leave()
