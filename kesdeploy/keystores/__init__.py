"""The keystores: one module each, and nothing about any of them anywhere else.

A module says what it asks of the user, what runs because of it, what is checked before anything starts and what is done
to its service before KES may use it (`words.Keystore`). To add one: CONTRIBUTING.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from kesdeploy.keystores.words import Contribution, Elsewhere, Keystore, Pick, Question, Site, Work

if TYPE_CHECKING:
    from kesdeploy.spec import KeystoreFields, Spec

__all__ = ["FIELDS", "KEYSTORES", "Contribution", "Elsewhere", "Keystore", "Pick", "Question", "Site", "Work", "of"]

T = TypeVar("T")
_CLASSES = {
    "fs": "Fs",
    "vault": "Vault",
    "aws": "Aws",
    "azure": "Azure",
    "gcp": "Gcp",
    "entrust": "Entrust",
    "fortanix": "Fortanix",
    "keysecure": "KeySecure",
    "kes": "Kes",
}


class _ByKind(Mapping[str, T]):
    """A deployment has one keystore: no other is imported for it."""

    def __init__(self, get: Callable[[str], T]) -> None:
        self._get = get

    def __getitem__(self, kind: str) -> T:
        return self._get(kind)

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


@cache
def _imported(kind: str) -> Keystore:
    name = _CLASSES[kind]
    made: Keystore = getattr(import_module(f"{__name__}.{kind}"), name)()
    return made


KEYSTORES = _ByKind(_imported)
FIELDS: Mapping[str, type[KeystoreFields]] = _ByKind(lambda kind: _imported(kind).fields)


def of(spec: Spec) -> Keystore:
    return KEYSTORES[spec.kms]


def own_key_name(name: str, prefix: str = "") -> str:
    """A default key's name for a keystore that others can reach: the next deployment there must not share it."""
    return f"{prefix or 'minio-'}{name}-{secrets.token_hex(3)}"
