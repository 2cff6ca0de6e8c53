"""rotate-credentials: what is asked for, what is said before, and what comes out."""

from __future__ import annotations

import pytest
from core_fixtures import VAULT, spec_of
from trust import MINIO, Trust

from kesdeploy import identities, recredential
from kesdeploy.recredential import Chosen
from kesdeploy.result import Result

SAID = "is restarted once"


@pytest.fixture
def trust(here, monkeypatch) -> Trust:
    return Trust.over(here, monkeypatch)


@pytest.fixture
def chosen(up, monkeypatch) -> list[Chosen]:
    """What the command line chose; nothing is done."""
    found: list[Chosen] = []

    def remember(_, __, chosen: Chosen) -> Result:
        found.append(chosen)
        data = {"deployment": "fs", "rotated": [], "restarted": [], "password_file": "", "checks": []}
        return Result("rotate-credentials", data)

    monkeypatch.setattr(recredential, "rotate_credentials", remember)
    # What is read is looked at before: here it is a password that MinIO takes.
    monkeypatch.setattr("kesdeploy.given.read", lambda *_: "long-enough")
    monkeypatch.setattr("kesdeploy.given.check", lambda *_: None)
    return found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--kes",), Chosen(("minio",))),
        (("--kes", "--operator"), Chosen(identities.NAMES)),
        (("--vault",), Chosen(keystore=True)),
        (("--root-password",), Chosen(root=True)),
        (("--root-password", "--kes"), Chosen(("minio",), root=True)),
        (("--root-password", "-n", "fs"), Chosen(root=True)),
        (("--root-password", "@new"), Chosen(root=True, source="@new")),
        (("--root-password=env:NEW", "--kes"), Chosen(("minio",), root=True, source="env:NEW")),
        (("--root-password", "-"), Chosen(root=True)),
        # A keystore of files has no login.
        (("--all",), Chosen(identities.NAMES, root=True)),
        (("--all", "--root-password", "@new"), Chosen(identities.NAMES, root=True, source="@new")),
    ],
)
def test_what_is_chosen(kesdeploy, chosen, options, expected):
    kesdeploy("rotate-credentials", "--yes", *options, stdin="a new password\n")
    assert chosen == [expected]


def test_all_of_a_vault_has_its_login_and_that_of_others_no_identity():
    theirs = "name: x\nkeystore: {kes: {endpoints: 'https://kes.example.org:7373'}}\n"
    vault = "name: x\nkeystore: {vault: {address: 'https://v.example.org:8200'}}\n"
    everything = {
        VAULT: Chosen(identities.NAMES, root=True, keystore=True),
        theirs: Chosen(root=True),
        vault: Chosen(identities.NAMES, root=True, keystore=True),
    }
    for text, expected in everything.items():
        assert recredential.everything(spec_of(text), Chosen()) == expected


def test_what_the_spec_reads_elsewhere_is_no_part_of_all_unless_it_is_named():
    vault = "name: x\nkeystore: {vault: {address: 'https://v.example.org:8200'}}\n"
    kubernetes = spec_of(vault, keystore__vault__kubernetes={"role": "kes"})
    sourced = spec_of(vault, keystore__vault__approle={"secret": "env:SECRET"}, minio__root_password="env:ROOT")
    assert recredential.everything(kubernetes, Chosen()) == Chosen(identities.NAMES, root=True)
    assert recredential.everything(sourced, Chosen()) == Chosen(identities.NAMES)
    named = Chosen(root=True, keystore=True)
    assert recredential.everything(sourced, named) == Chosen(identities.NAMES, root=True, keystore=True)


@pytest.mark.parametrize(
    ("chosen", "auth", "restarts"),
    [
        (Chosen(("minio",)), "api-key", ("MinIO",)),
        (Chosen(("minio",)), "certificate", ("KES",)),
        (Chosen(("minio",), root=True), "certificate", ("MinIO",)),
        (Chosen(("operator",), keystore=True), "api-key", ()),
        (Chosen(root=True), "certificate", ("MinIO",)),
    ],
)
def test_what_has_to_be_restarted(chosen, auth, restarts):
    assert chosen.restarts(spec_of(kes__auth=auth)) == restarts


def test_nothing_chosen(kesdeploy, up):
    done = kesdeploy("rotate-credentials", expect=2)
    assert "--kes --operator --root-password --vault" in done.stderr


def test_a_restart_is_said_before_and_wants_a_yes(kesdeploy, trust, up):
    before = up.home.read("secrets/minio.key")
    for options in (("--kes",), ("--root-password",), ("--all",)):
        done = kesdeploy("rotate-credentials", *options, expect=2)
        assert f"MinIO {SAID}" in done.stderr
        assert "--yes" in done.stderr.splitlines()[-1]
    assert up.home.read("secrets/minio.key") == before
    assert SAID not in kesdeploy("rotate-credentials", "--operator").stderr
    assert f"MinIO {SAID}" in kesdeploy("rotate-credentials", "--kes", "--yes").stderr


def test_what_it_says_and_what_it_does_not(kesdeploy, ask, trust, up):
    old = up.home.read_secret("root-password")
    shown = kesdeploy("rotate-credentials", "--all", "--yes")
    new = up.home.read_secret("root-password")
    assert "MinIO's identity in KES is new: " in shown.stdout
    assert f"restarted: {MINIO}" in shown.stdout
    assert f"The root password is in {up.home.secret('root-password')}" in shown.stdout
    assert old not in shown.stdout + shown.stderr
    assert new not in shown.stdout + shown.stderr
    data = ask("rotate-credentials", "--all", "--yes")["data"]
    assert [rotated["what"] for rotated in data["rotated"]] == ["kes", "operator", "root-password"]
    assert up.home.read_secret("root-password") not in str(data)


def test_a_keystore_without_a_login_says_so(kesdeploy, trust, up):
    assert "no login to renew" in kesdeploy("rotate-credentials", "--vault", expect=2).stderr


@pytest.mark.parametrize(
    ("source", "words"),
    [("@missing", "No such file"), ("hunter22", "never the password itself"), ("env:NOTHING_THERE", "not set")],
)
def test_a_password_from_nowhere(kesdeploy, trust, up, source, words):
    before = up.home.read_secret("root-password")
    done = kesdeploy("rotate-credentials", "--root-password", source, "--yes", expect=2)
    assert words in done.stderr
    assert "Errno" not in done.stderr
    assert SAID not in done.stderr
    assert "hunter22" not in done.stderr
    assert up.home.read_secret("root-password") == before
