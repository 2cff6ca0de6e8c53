"""KES's keys encrypted once more by Vault's transit engine, on a real OpenBao."""

from __future__ import annotations

import pytest
from vault_user import good, refused

from kesdeploy.keystores.vault import Vault, transit
from kesdeploy.keystores.vault.policy import kes_policy

pytestmark = [pytest.mark.openbao, pytest.mark.parametrize("shared", ["shares"], indirect=True)]
VAULT = Vault()


@pytest.fixture(autouse=True)
def _no_engine_left(user):
    yield
    if user.bao.process:
        user.admin("DELETE", "sys/mounts/transit")


def without(user, *rights: str) -> str:
    """The policy without the blocks of these paths."""
    blocks = kes_policy(user.work("transit: {key: kes}").spec, "v2").split("path ")
    return "path ".join(block for block in blocks if not any(f'"{path}"' in block for path in rights))


def test_a_fit_key_passes_and_nothing_changes(user):
    fields = good(user, user.transit())
    before = user.admin("GET", "transit/keys/kes")["data"]
    VAULT.preflight(user.work(fields))
    VAULT.bootstrap(user.work(fields))
    assert (VAULT.state(user.work(fields)), user.told.warnings) == ("ok", [])
    assert user.admin("GET", "transit/keys/kes")["data"] == before


@pytest.mark.parametrize("look", [True, False], ids=["may-look", "may-not-look"])
def test_a_missing_key_is_told_and_not_made(user, look):
    user.transit("other")
    policy = kes_policy(user.work("transit: {key: kes}").spec, "v2") if look else without(user, "transit/keys/kes")
    error = refused(user, user.approle(policy) + ", transit: {key: kes}")
    assert "there is no transit key 'kes' at 'transit'" in error.what
    assert "vault write -f transit/keys/kes" in error.hint
    assert user.admin("LIST", "transit/keys")["data"]["keys"] == ["other"]


def test_who_may_create_it_is_not_led_to(user):
    """Vault makes a missing key for everybody who may create it: so we do not even try."""
    user.transit("other")
    policy = without(user, "transit/keys/kes").replace('["update"]', '["create", "update"]')
    VAULT.preflight(user.work(user.approle(policy) + ", transit: {key: kes}"))
    assert "with a wrong name, KES would make a new one" in user.told.warnings[-1]
    assert user.admin("LIST", "transit/keys")["data"]["keys"] == ["other"]


@pytest.mark.parametrize("verb", ["encrypt", "decrypt"])
def test_too_few_rights_show_the_policy(user, verb):
    fields = user.transit()
    error = refused(user, user.approle(without(user, f"transit/{verb}/kes")) + f", {fields}")
    assert f"update on transit/{verb}/kes" in error.because
    assert f'path "transit/{verb}/kes"' in error.hint


def test_who_may_not_look_at_the_key_is_warned_only(user):
    fields = user.transit()
    VAULT.preflight(user.work(user.approle(without(user, "transit/keys/kes")) + f", {fields}"))
    assert "its role lacks read on transit/keys/kes" in user.told.warnings[0]


@pytest.mark.parametrize("look", [True, False], ids=["may-look", "may-not-look"])
def test_a_rotated_key_is_refused_before_there_are_keys(user, look):
    fields = user.transit()
    login = good(user, fields) if look else user.approle(without(user, "transit/keys/kes")) + f", {fields}"
    user.admin("POST", "transit/keys/kes/rotate")
    error = refused(user, login)
    assert "was rotated" in error.what
    assert "vault:v1:" in error.because


def test_a_key_rotated_later_is_a_warning_and_a_state(user):
    work = user.work(good(user, user.transit()))
    VAULT.bootstrap(work)
    user.home.write_secret(f"fingerprint-{work.spec.key_name}.json", "{}")
    user.admin("POST", "transit/keys/kes/rotate")
    assert VAULT.state(work) == transit.ROTATED
    VAULT.preflight(work)
    assert "was rotated: KES can make no new keys with it; those that are there go on" in user.told.warnings[-1]


def test_a_key_that_will_rotate_by_itself(user):
    fields = good(user, user.transit(auto_rotate_period="720h"))
    VAULT.preflight(user.work(fields))
    assert "vault write transit/keys/kes/config auto_rotate_period=0" in user.told.warnings[-1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"type": "ecdsa-p256"}, "not supported for key type"), ({"derived": True}, "missing 'context'")],
    ids=["signs-only", "derived"],
)
def test_a_key_that_does_not_encrypt_for_kes(user, settings, words):
    error = refused(user, good(user, user.transit(**settings)))
    assert "KES cannot use the transit key 'kes'" in error.what
    assert words in error.because


def test_no_engine_there(user):
    error = refused(user, good(user, "transit: {engine: nowhere, key: kes}"))
    assert "no transit key 'kes' at 'nowhere'" in error.what
    assert "vault secrets enable -path=nowhere transit" in error.hint
