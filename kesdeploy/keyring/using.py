"""key encrypt, key decrypt, key dek: what a key does, for a few bytes or for a data key. Two of them give secrets."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from kesdeploy.errors import UsageError
from kesdeploy.keyring import door, names
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter

# KES reads a body of 1 MB at most (server.go), and base64 makes four bytes of three.
MOST = 700_000
INSTEAD = "kesdeploy key dek {key}: a data key, to encrypt with yourself"
# What a ciphertext has besides, and base64.
MOST_CIPHERTEXT = (MOST + 1000) * 4 // 3


def encrypt(wish: Wish, report: Reporter, name: str, plaintext: bytes, context: bytes) -> Result:
    """The ciphertext, in base64. UsageError for more than KES takes."""
    names.asked(name)
    if len(plaintext) > MOST:
        raise UsageError(
            f"KES encrypts at most {MOST} bytes at once",
            because=f"these are {len(plaintext)}",
            hint=INSTEAD.format(key=name),
        )
    with door.opened(wish, report, theirs=f"kes key encrypt {name} MESSAGE") as ring:
        ciphertext = ring.kes.encrypt(name, plaintext, context)
    return Result("key encrypt", {"deployment": ring.home.name, "key": name, "ciphertext": _text(ciphertext)})


def decrypt(wish: Wish, report: Reporter, name: str, ciphertext: bytes, context: bytes) -> Result:
    """The plaintext, in base64: a secret, given because it was asked for."""
    names.asked(name)
    try:
        sealed = base64.b64decode(b"".join(ciphertext.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(
            "this is no ciphertext of KES's", because="it is not base64", hint="what `kesdeploy key encrypt` printed"
        ) from None
    with door.opened(wish, report, theirs=f"kes key decrypt {name} CIPHERTEXT") as ring:
        plaintext = ring.kes.decrypt(name, sealed, context)
    return Result("key decrypt", {"deployment": ring.home.name, "key": name, "plaintext": _text(plaintext)})


def data_key(wish: Wish, report: Reporter, name: str, context: bytes) -> Result:
    """32 random bytes, and what only this key turns back into them: a secret, given because it was asked for."""
    names.asked(name)
    with door.opened(wish, report, theirs=f"kes key dek {name}") as ring:
        made = ring.kes.generate(name, context)
    both = {"plaintext": _text(made.plaintext), "ciphertext": _text(made.ciphertext)}
    return Result("key dek", {"deployment": ring.home.name, "key": name, **both})


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
