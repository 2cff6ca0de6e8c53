from __future__ import annotations

import base64

import pytest

from kesdeploy.errors import ServiceError, UsageError
from kesdeploy.keyring import creating, using
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.spec import DEFAULT_KEY

WISH = Wish("key encrypt", "fs", timeout=1)


def encrypt(plaintext: bytes, context: bytes = b"") -> bytes:
    return str(using.encrypt(WISH, Silent(), DEFAULT_KEY, plaintext, context).data["ciphertext"]).encode()


def decrypt(ciphertext: bytes, context: bytes = b"", name: str = DEFAULT_KEY) -> bytes:
    return base64.b64decode(using.decrypt(WISH, Silent(), name, ciphertext, context).data["plaintext"])


@pytest.mark.parametrize("plaintext", [b"x", b"\0\xff\n", b"z" * using.MOST])
def test_there_and_back(here, plaintext):
    sealed = encrypt(plaintext, b"context")
    assert decrypt(sealed, b"context") == plaintext
    assert decrypt(b"  " + sealed[:10] + b"\n" + sealed[10:] + b"\n", b"context") == plaintext


def test_another_context_or_key(here):
    creating.create(WISH, Silent(), ["another"])
    sealed = encrypt(b"x", b"context")
    for wrong in ({"context": b"other"}, {"context": b"context", "name": "another"}):
        with pytest.raises(ServiceError) as caught:
            decrypt(sealed, **wrong)
        assert "--context" in caught.value.hint


def test_more_than_kes_takes(here):
    with pytest.raises(UsageError) as caught:
        encrypt(b"x" * (using.MOST + 1))
    assert "key dek" in caught.value.hint


@pytest.mark.parametrize("text", [b"hello", b"", b"====", b"\xff\xfe", "größe".encode()])
def test_what_is_no_ciphertext(here, text):
    with pytest.raises((UsageError, ValueError)):
        decrypt(text)


def test_a_data_key(here):
    found = using.data_key(WISH, Silent(), DEFAULT_KEY, b"c").data
    assert decrypt(found["ciphertext"].encode(), b"c") == base64.b64decode(found["plaintext"])
    assert len(base64.b64decode(found["plaintext"])) == 32


@pytest.mark.parametrize("name", ["a/b", "", "../x"])
def test_odd_names_are_not_sent(here, name):
    here.kes.silent = True
    with pytest.raises(UsageError):
        decrypt(b"eA==", name=name)
