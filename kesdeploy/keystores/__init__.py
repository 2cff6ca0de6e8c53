"""The keystores: one module each, and nothing about any of them anywhere else.

A module says what it asks of the user, what runs because of it, what is checked before anything starts and what is done
to its service before KES may use it (`words.Keystore`). To add one: the module, its template
`templates/kes/keystore-KIND.yaml.j2`, a sample, and a line below.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from kesdeploy.keystores.aws import Aws
from kesdeploy.keystores.azure import Azure
from kesdeploy.keystores.entrust import Entrust
from kesdeploy.keystores.fortanix import Fortanix
from kesdeploy.keystores.fs import Fs
from kesdeploy.keystores.gcp import Gcp
from kesdeploy.keystores.kes import Kes
from kesdeploy.keystores.keysecure import KeySecure
from kesdeploy.keystores.vault import Vault
from kesdeploy.keystores.words import Contribution, Elsewhere, Keystore, Pick, Question, Site, Work

if TYPE_CHECKING:
    from kesdeploy.spec import KeystoreFields, Spec

__all__ = ["FIELDS", "KEYSTORES", "Contribution", "Elsewhere", "Keystore", "Pick", "Question", "Site", "Work", "of"]

KEYSTORES: dict[str, Keystore] = {
    keystore.kind: keystore
    for keystore in (
        Fs(),
        Vault(),
        Aws(),
        Azure(),
        Gcp(),
        Entrust(),
        Fortanix(),
        KeySecure(),
        Kes(),
    )
}
FIELDS: dict[str, type[KeystoreFields]] = {kind: keystore.fields for kind, keystore in KEYSTORES.items()}


def of(spec: Spec) -> Keystore:
    return KEYSTORES[spec.kms]


def own_key_name(name: str, prefix: str = "") -> str:
    """A default key's name for a keystore that others can reach: the next deployment there must not share it."""
    return f"{prefix or 'minio-'}{name}-{secrets.token_hex(3)}"
