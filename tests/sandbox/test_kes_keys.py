from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.sandbox.kes import keys


@given(
    cipher=st.sampled_from([keys.AES256, keys.CHACHA20]),
    secret=st.binary(min_size=32, max_size=32),
    mac=st.binary(min_size=32, max_size=32),
    when=st.integers(0, 2**62),
    who=st.text(max_size=80),
)
def test_a_stored_key_comes_back(cipher, secret, mac, when, who):
    key = keys.Key(cipher, secret, mac, when, who)
    assert keys.decode(keys.encode(key)) == key


@given(cipher=st.sampled_from([keys.AES256, keys.CHACHA20]), plaintext=st.binary(), context=st.binary())
def test_a_ciphertext_opens_with_its_context_alone(cipher, plaintext, context):
    key = keys.generate("me", cipher=cipher)
    sealed = key.encrypt(plaintext, context)
    assert len(sealed) == len(plaintext) + 16 + 28
    assert key.decrypt(sealed, context) == plaintext
    with pytest.raises(keys.NotAuthentic):
        key.decrypt(sealed, context + b"x")


def test_hchacha20_against_the_draft():
    """draft-irtf-cfrg-xchacha-03, section 2.2.1."""
    key = bytes(range(32))
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    wanted = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    assert keys._hchacha20(key, nonce).hex() == wanted


def test_keys_of_before_2024_are_read():
    old = {"bytes": base64.b64encode(bytes(32)).decode(), "created_at": "2023-01-02T03:04:05Z", "created_by": "me"}
    key = keys.decode(json.dumps(old).encode())
    assert (key.algorithm, key.secret, key.mac, key.created_by) == ("AES256", bytes(32), b"", "me")
    assert keys.timestamp(key.created_at) == "2023-01-02T03:04:05Z"


@pytest.mark.parametrize("stored", [b"", b"{}", b"nonsense", b"AAAA", base64.b64encode(b"\x0a\xff")])
def test_what_is_no_key(stored):
    with pytest.raises(keys.BadKey):
        keys.decode(stored)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1_000_000_001, "1970-01-01T00:00:01.000000001Z"),
    ],
)
def test_times_as_go_writes_them(nanoseconds, text):
    assert keys.timestamp(nanoseconds) == text
