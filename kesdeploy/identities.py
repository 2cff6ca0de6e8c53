"""The deployment's identities in KES, while a new one takes the place of an old one.

secrets/NAME.key and .crt: who it is. NAME.old.*: who it was; KES trusts both as long as that is there, so it does not
matter where a rotation is killed. NAME.gone.*: trusted no more, and kept until KES was seen to refuse it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy import pki
from kesdeploy.files import translated
from kesdeploy.filled import identity_request
from kesdeploy.resources import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from kesdeploy.home import Home

NAMES = ("minio", "operator")
# Everybody that we ever were, by identity, one a line: keys that they made are ours.
FORMER = "former-identities"


def replace(home: Home, name: str, now: datetime) -> None:
    """A new identity. The old one stays beside it."""
    new = pki.Authority(home.ca_cert.read_bytes(), home.ca_key.read_bytes()).issue(
        identity_request(Identity(name)), now
    )
    remember(home, name)
    # The key last: without it, nothing is there yet.
    for half in ("crt", "key"):
        home.write(f"secrets/{name}.old.{half}", home.read(f"secrets/{name}.{half}") or b"")
    home.write(f"secrets/{name}.key", new.key_pem)
    home.write(f"secrets/{name}.crt", new.cert_pem)


def retiring(home: Home) -> tuple[str, ...]:
    """Those that have a predecessor whom KES still trusts."""
    return tuple(name for name in NAMES if _differs(home, name))


def _differs(home: Home, name: str) -> bool:
    """A kill may leave an old one that is still the present one."""
    old = home.read(f"secrets/{name}.old.key")
    return bool(old) and old != home.read(f"secrets/{name}.key")


def retire(home: Home, name: str) -> None:
    """From now on, no configuration of KES names the old one."""
    with translated(home.secret(f"{name}.old.key")):
        for half in ("crt", "key"):
            if (old := home.secret(f"{name}.old.{half}")).exists():
                old.replace(home.secret(f"{name}.gone.{half}"))


def gone(home: Home) -> tuple[tuple[str, tuple[Path, Path]], ...]:
    """Old identities that KES has to refuse by now: certificate and key, by name."""
    pairs = ((name, home.identity(f"{name}.gone")) for name in NAMES)
    return tuple((name, pair) for name, pair in pairs if all(half.exists() for half in pair))


def forget(home: Home) -> None:
    """What is left of old ones that nobody trusts."""
    left = set(NAMES) - set(retiring(home))
    files = [home.secret(f"{name}.gone.{half}") for name in NAMES for half in ("key", "crt")]
    files += [home.secret(f"{name}.old.{half}") for name in left for half in ("key", "crt")]
    for file in files:
        with translated(file):
            file.unlink(missing_ok=True)


def ours(home: Home) -> frozenset[str]:
    """Everybody that this deployment is in KES, or was."""
    return frozenset((*_now(home), *(home.read_secret(FORMER) or "").split()))


def _now(home: Home) -> Iterator[str]:
    for name in NAMES:
        if certificate := home.read(f"secrets/{name}.crt"):
            yield pki.identity(certificate)


def remember(home: Home, name: str) -> None:
    """Before it becomes another."""
    known = dict.fromkeys((home.read_secret(FORMER) or "").split())
    now = home.read(f"secrets/{name}.crt")
    known |= dict.fromkeys([pki.identity(now)] if now else [])
    home.write_secret(FORMER, "".join(f"{identity}\n" for identity in known))
