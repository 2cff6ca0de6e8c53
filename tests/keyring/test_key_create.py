"""New keys, brought keys, and lost ones: nothing is replaced, and what is brought in the place of a lost one is it."""

from __future__ import annotations

import base64

import pytest
from key_world import STRANGER
from xl import meta, store, version

from kesdeploy.errors import DataProtected, ServiceError, UsageError
from kesdeploy.keyring import creating, makers
from kesdeploy.keystores import KEYSTORES
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.spec import DEFAULT_KEY

WISH = Wish("key create", "fs", timeout=1)
KEY = bytes(range(32))


def create(*names: str) -> dict[str, tuple[bool, str]]:
    rows = creating.create(WISH, Silent(), names).data["keys"]
    return {row["name"]: (row["created"], row["maker"]) for row in rows}


def bring(name: str = "mine", given: bytes = KEY, cipher: str = "AES256") -> dict:
    return dict(creating.bring(WISH, Silent(), name, given, cipher).data)


def test_a_key_is_made_once(here):
    assert create("a", "b", "a") == {"a": (True, ""), "b": (True, "")}
    before = dict(here.kes.keys)
    assert create("a") == {"a": (False, "operator")}
    assert here.kes.keys == before


def test_all_names_are_looked_at_before_the_first_is_made(here):
    with pytest.raises(UsageError):
        create("good", "bad.name")
    assert set(here.kes.keys) == {DEFAULT_KEY}


def test_who_made_what_is_there(here):
    here.kes.keys |= {"theirs": b"x", "mine": b"x", "untold": b"x"}
    here.kes.about |= {"theirs": {"created_by": STRANGER}}
    assert create("theirs", "untold") == {"theirs": (False, "stranger"), "untold": (False, makers.UNTOLD)}


def test_a_lost_key_is_not_made_anew(here):
    del here.kes.keys[DEFAULT_KEY]
    with pytest.raises(DataProtected, match="gone from the keystore") as caught:
        create("new", DEFAULT_KEY)
    assert "put kes/" in caught.value.hint
    assert "key import" in caught.value.hint
    assert here.kes.keys == {}


def test_a_key_that_only_objects_need_is_not_made_anew(here):
    store(here.home.path("minio"), "photos", "cat", meta(version("sse-kms", "once")))
    with pytest.raises(DataProtected, match=r"1 objects \(1 in photos\)"):
        create("once")


def test_what_the_keystore_has_against_it_is_heard_first(here, monkeypatch):
    """In Azure, KES would purge a deleted key of that name."""

    def preflight(work):
        assert ("minio.buckets.0.key", "again") in work.spec.key_names
        raise DataProtected("it can still be recovered")

    monkeypatch.setattr(KEYSTORES["fs"], "preflight", preflight, raising=False)
    with pytest.raises(DataProtected, match="recovered"):
        create("again")
    assert "again" not in here.kes.keys
    assert create(DEFAULT_KEY)


@pytest.mark.parametrize(
    "given", [KEY, base64.b64encode(KEY), base64.b64encode(KEY) + b"\n", b" " + base64.b64encode(KEY)]
)
def test_a_key_is_brought_raw_or_in_base64(here, given):
    assert bring(given=given)["proven"] is False
    assert here.kes.imported["mine"] == (KEY, "AES256")


NO_KEYS = [b"", b"short", KEY + b"x", KEY[:31], base64.b64encode(KEY[:31]), KEY.hex().encode(), b"\xff" * 44, b"=" * 44]


@pytest.mark.parametrize("given", NO_KEYS)
def test_what_is_no_key_is_not_repeated(here, given):
    with pytest.raises(UsageError) as caught:
        bring(given=given)
    told = f"{caught.value} {caught.value.because} {caught.value.hint}"
    assert not given or given.decode(errors="replace").strip() not in told
    assert here.kes.imported == {}


def test_ciphers(here):
    bring("one", cipher="ChaCha20")
    assert here.kes.imported["one"][1] == "ChaCha20"
    with pytest.raises(UsageError, match="DES"):
        bring("two", cipher="DES")


def test_a_key_that_is_there_is_not_replaced(here):
    before = dict(here.kes.keys)
    with pytest.raises(UsageError, match="already") as caught:
        bring(DEFAULT_KEY)
    assert caught.value.because == "made by operator"
    assert here.kes.keys == before


def test_the_lost_key_comes_back(here, monkeypatch):
    lost = here.kes.keys.pop(DEFAULT_KEY)
    with pytest.raises(DataProtected, match="not the key"):
        bring(DEFAULT_KEY)
    assert DEFAULT_KEY not in here.kes.keys, "another key of that name does not stay"
    here.kes.imported.clear()
    monkeypatch.setattr(creating, "SIZE", len(lost))  # keys of this world are shorter
    assert bring(DEFAULT_KEY, lost)["proven"] is True
    assert here.kes.keys[DEFAULT_KEY] == lost


def test_a_key_that_only_objects_need_cannot_be_proven(here):
    store(here.home.path("minio"), "photos", "cat", meta(version("sse-kms", "once")))
    warned: list[str] = []

    class Person(Silent):
        def warn(self, text: str) -> None:
            warned.append(text)

    assert creating.bring(WISH, Person(), "once", KEY, "AES256").data["proven"] is False
    assert "1 objects need a key of this name" in warned[0]


def test_a_kes_that_denies_says_what_to_do(here):
    here.kes.deny = {"create"}
    with pytest.raises(ServiceError) as caught:
        create("new")
    assert (caught.value.status, caught.value.exit_code) == (403, 6)
    assert "kesdeploy up -n fs" in caught.value.hint


@pytest.mark.parametrize("broken", ["silent", "lost"])
def test_a_kes_that_cannot_say_makes_nothing(here, broken):
    setattr(here.kes, broken, True)
    with pytest.raises(ServiceError) as caught:
        create("new")
    assert "new" not in here.kes.keys
    assert caught.value.hint
