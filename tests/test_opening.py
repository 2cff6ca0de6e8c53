from __future__ import annotations

import pytest
from core_fixtures import World, world

from kesdeploy import opening, teardown
from kesdeploy.deployment import ADDRESS, marks
from kesdeploy.engines import ContainerSpec, PodSpec
from kesdeploy.errors import DataProtected, EngineError, Locked, ServiceError, SpecError, UsageError
from kesdeploy.home import Home
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.state import locked


@pytest.fixture(autouse=True)
def _home(kesdeploy_home):
    return kesdeploy_home


def _there(name: str, spec: str = "") -> Home:
    home = Home.of(name)
    home.prepare()
    home.write("kesdeploy.yaml", (spec or f"version: 1\nname: {name}\nkeystore: {{fs: {{}}}}\n").encode())
    return home


# --- which one


def test_the_only_one_needs_no_name():
    _there("one")
    assert opening.which(Wish("status")).name == "one"


def test_none_and_several_are_asked_about():
    with pytest.raises(UsageError) as raised:
        opening.which(Wish("status"))
    assert raised.value.hint == "kesdeploy up --kms fs"
    _there("one")
    _there("two")
    with pytest.raises(UsageError, match="which") as raised:
        opening.which(Wish("status"))
    assert (raised.value.because, raised.value.hint) == ("one, two", "-n one")
    assert opening.which(Wish("status", "two")).name == "two"


def test_what_is_named_must_exist():
    _there("one")
    with pytest.raises(UsageError) as raised:
        opening.existing(Wish("status", "two"))
    assert "one" in raised.value.because


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        (Wish("up", "mine", overrides={"keystore.fs": {}}), "mine"),
        (Wish("up", overrides={"keystore.vault": {}}), "vault"),
        (Wish("up", overrides={"keystore.vault.address": "https://x"}), "vault"),
    ],
)
def test_a_new_one_is_called_after_its_kms_when_it_has_no_name(wish, name):
    _there("one")
    assert opening.to_create(wish).name == name


def test_a_file_says_its_name(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("name: other\nkeystore: {fs: {}}\n")
    assert opening.to_create(Wish("up", config=file)).name == "other"


def test_a_file_without_a_name_goes_by_its_kms(tmp_path):
    """And not by the only deployment that happens to be there: it would become another one."""
    _there("one")
    file = tmp_path / "x.yaml"
    file.write_text("keystore: {fs: {}}\n")
    assert opening.to_create(Wish("up", config=file)).name == "fs"
    assert opening.to_create(Wish("up", config=file, overrides={"keystore.vault": {}})).name == "vault"


def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(SpecError):
        opening.load(Wish("up", "../../x", overrides={"keystore.fs": {}}), Home.of("../../x"))


# --- flags over file over defaults


def test_flags_lie_over_the_file_and_the_file_over_the_defaults():
    home = _there("fs", "name: fs\nkeystore: {fs: {}}\nkey_name: mine\nkes: {cache: {any: 1m}}\n")
    spec = opening.load(Wish("up", overrides={"kes.cache.any": "2m"}), home)
    assert (spec.key_name, spec.kes.cache.any, spec.kes.cache.unused) == ("mine", "2m", "30s")


def test_the_same_kms_on_the_command_line_empties_nothing():
    body = "name: v\nkeystore: {vault: {seal: shares}}\n"
    spec = opening.load(Wish("up", "v", overrides={"keystore.vault": {}}), _there("v", body))
    assert spec.keystore.seal == "shares"


def test_another_kms_takes_the_place_of_the_one_in_the_file():
    spec = opening.load(Wish("up", "fs", overrides={"keystore.vault": {}}), _there("fs"))
    assert spec.kms == "vault"


def test_a_name_on_the_command_line_wins(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("name: other\nkeystore: {fs: {}}\n")
    assert opening.load(Wish("up", "mine", config=file), Home.of("mine")).name == "mine"


# --- opened


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    _there("fs")
    return made


def test_a_command_that_writes_holds_the_lock_and_closes_the_engine(here):
    wish = Wish("up", "fs", timeout=0.1)
    with opening.opened(wish, here.home, Silent()) as deployment:
        assert deployment.timeout == 0.1
        with pytest.raises(Locked), opening.opened(wish, here.home, Silent()):
            pass
    assert ("close",) in here.engine.calls


def test_a_command_that_reads_does_not_wait(here):
    with (
        locked(here.home, timeout=1, report=Silent(), command="x"),
        opening.opened(Wish("status", "fs", timeout=0.1), here.home, Silent(), lock=False) as deployment,
    ):
        assert deployment.name == "fs"


def test_an_error_inside_closes_the_engine(here):
    with pytest.raises(EngineError), opening.opened(Wish("up", "fs"), here.home, Silent()):
        raise EngineError("x")
    assert here.engine.calls == [("close",)]


# --- not ours


def test_a_folder_that_kesdeploy_did_not_make_is_refused(tmp_path):
    home = Home.of("fs")
    (home.root / "certs").mkdir(parents=True)
    with pytest.raises(DataProtected) as raised:
        opening.refuse_foreign_folder(home)
    assert "-n fs2" in raised.value.hint


def test_a_folder_of_another_name_is_not_used():
    """Mounts follow it: a second MinIO over the same data, or the data gone under the first."""
    home = _there("new", "name: old\nkeystore: {fs: {}}\n")
    for command in (lambda wish: opening.load(wish, home), lambda wish: teardown.remove(wish, Silent(), data=True)):
        with pytest.raises(DataProtected) as raised:
            command(Wish("any", "new"))
        assert raised.value.hint == f"mv {home.root} {home.root.parent}/minio-kes-old"
    assert home.spec.exists()


def test_an_empty_folder_may_be_used():
    home = Home.of("fs")
    home.root.mkdir()
    opening.refuse_foreign_folder(home)


def _container(name: str, pod: str, labels: dict[str, str]) -> ContainerSpec:
    return ContainerSpec(name, pod, "image", (), (), "0:0", labels=labels)


@pytest.mark.parametrize("labels", [{}, {"kesdeploy.deployment": "other"}, {"kesdeploy.deployment": "fs"}])
def test_a_pod_of_our_name_without_our_marks_is_refused(here, labels):
    here.engine.create_pod(PodSpec("minio-kes-fs", labels=labels))
    with pytest.raises(DataProtected) as raised:
        opening.refuse_foreign_names(here.deployment)
    assert "-n fs2" in raised.value.hint


@pytest.mark.parametrize("part", ["kes-server", "minio-server", "vault"])
def test_a_container_of_our_name_without_our_marks_is_refused(here, part):
    here.engine.create_pod(PodSpec("theirs"))
    here.engine.create(_container(f"fs-{part}", "theirs", {}))
    with pytest.raises(DataProtected, match=f"fs-{part}"):
        opening.refuse_foreign_names(here.deployment)


def test_the_deployment_of_another_folder_is_somebody_elses(here):
    labels = {"kesdeploy.deployment": "fs", "kesdeploy.folder": "/home/other/minio-kes-fs", ADDRESS: "pod/pod"}
    here.engine.create_pod(PodSpec("minio-kes-fs", labels=labels))
    with pytest.raises(DataProtected) as raised:
        opening.refuse_foreign_names(here.deployment)
    assert "/home/other/minio-kes-fs" in raised.value.because


def test_our_own_are_ours(here):
    here.engine.create_pod(PodSpec("minio-kes-fs", labels=marks(here.home)))
    opening.refuse_foreign_names(here.deployment)


# --- secrets that were typed


def test_typed_secrets_are_kept_privately(here):
    opening.keep_secrets(Wish("up", "fs", secrets={"root-password": "typed-by-hand"}), here.home)
    assert here.home.read_secret("root-password") == "typed-by-hand"
    assert here.home.secret("root-password").stat().st_mode & 0o777 == 0o600


def test_a_typed_password_that_minio_cannot_use_leaves_nothing(tmp_path):
    home = Home.of("new")
    with pytest.raises(UsageError) as raised:
        opening.keep_secrets(Wish("up", "new", secrets={"root-password": "short"}), home)
    assert "short" not in f"{raised.value} {raised.value.because}"
    assert not home.root.exists()


def test_a_source_that_cannot_be_read_is_said_at_once(here):
    with pytest.raises(UsageError, match="/no/such"):
        opening.keep_secrets(Wish("up", "fs", overrides={"minio.root_password": "@/no/such"}), here.home)


def test_a_wish_shows_no_secret():
    assert "typed-by-hand" not in repr(Wish("up", secrets={"root-password": "typed-by-hand"}))


def test_bucket_flags_add_to_what_is_there(kesdeploy_home):
    home = Home.of("fs")
    home.prepare()
    home.write("kesdeploy.yaml", b"name: fs\nkeystore: {fs: {}}\nminio: {buckets: [{name: one, key: its-own}]}\n")
    added = {"minio.buckets+": [{"name": "one"}, {"name": "two"}]}
    found = opening.load(Wish("up", "fs", overrides=added), home).minio.buckets
    assert [(bucket.name, bucket.key) for bucket in found] == [("one", "its-own"), ("two", None)]


def test_a_folder_that_holds_secrets_alone_is_not_up_yet(kesdeploy_home):
    Home.of("fs").prepare()
    with pytest.raises(UsageError, match="not up yet") as raised:
        opening.existing(Wish("status", "fs"))
    assert "--config" in raised.value.hint


@pytest.mark.parametrize(
    ("hint", "told"), [("", "kesdeploy status -n fs"), ("kesdeploy logs -n fs", "kesdeploy logs -n fs")]
)
def test_an_error_out_of_a_depth_has_a_next_command(here, hint, told):
    with pytest.raises(ServiceError) as raised, opening.opened(Wish("up", "fs"), here.home, Silent()):
        raise ServiceError("it does not answer", hint=hint)
    assert raised.value.hint == told
