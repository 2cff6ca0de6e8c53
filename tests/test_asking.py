from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from kesdeploy import asking
from kesdeploy.errors import DataProtected, KesdeployError, SpecError, UsageError
from kesdeploy.home import Home
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.result import Result


@dataclass
class Person(Silent):
    """Whoever sits at the terminal, and what they say."""

    interactive: bool = False
    answers: list[str] = field(default_factory=list)
    yes: bool = False
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def ask(self, *_: Any, **__: Any) -> str:
        return self.answers.pop(0)

    def confirm(self, *_: Any, **__: Any) -> bool:
        return self.yes

    def hide(self, _: str) -> None: ...


@pytest.fixture(autouse=True)
def _home(kesdeploy_home):
    return kesdeploy_home


FS = {"keystore.fs": {}}


def test_what_lacks_nothing_asks_nothing():
    wish = Wish("up", overrides=FS)
    assert asking.completed(wish, Person(interactive=True), ask=True) == wish


def test_what_is_missing_is_listed_when_nobody_can_be_asked():
    with pytest.raises(SpecError) as raised:
        asking.completed(Wish("up"), Person(), ask=False)
    assert raised.value.exit_code == 2
    assert any("--kms" in problem.hint for problem in raised.value.problems)


def test_an_external_vault_lists_all_that_it_needs(monkeypatch):
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    with pytest.raises(SpecError) as raised:
        asking.completed(Wish("up", overrides={"keystore.vault.address": "https://v:8200"}), Person(), ask=False)
    paths = [problem.message.split(":")[0] for problem in raised.value.problems]
    assert {"keystore.vault.approle.id", "keystore.vault.approle.secret"} <= set(paths)


def test_several_deployments_and_no_name():
    Home.of("one").prepare()
    Home.of("two").prepare()
    with pytest.raises(UsageError, match="which"):
        asking.completed(Wish("up"), Person(), ask=False)


# --- init


def test_init_writes_what_flags_say(tmp_path):
    out = tmp_path / "x.yaml"
    given = {**FS, "name": "mine", "network.s3_port": 9100}
    result = asking.write_spec(given, out, Person(), ask=False, force=False)
    assert result.data == {"file": str(out), "deployment": "mine"}
    assert "s3_port: 9100" in out.read_text()
    assert not Home.of("mine").root.exists()


def test_init_replaces_nothing_without_force(tmp_path):
    out = tmp_path / "x.yaml"
    out.write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        asking.write_spec(FS, out, Person(), ask=False, force=False)
    assert out.read_text() == "mine"
    asking.write_spec(FS, out, Person(), ask=False, force=True)
    assert "keystore" in out.read_text()


def test_init_of_nonsense_writes_nothing(tmp_path):
    out = tmp_path / "x.yaml"
    with pytest.raises(SpecError):
        asking.write_spec({**FS, "kes.cache.any": "soon"}, out, Person(), ask=False, force=False)
    assert not out.exists()


# --- render


def test_rendered_files_are_private_and_no_longer_in_the_result(tmp_path):
    result = asking.write_files(Result("render", {"files": {"config/a": "secret text"}}), tmp_path / "out")
    file = tmp_path / "out" / "config" / "a"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("secret text", 0o600)
    assert result.data["files"] == {str(file): ""}


# --- destroy


@pytest.fixture
def there() -> Home:
    home = Home.of("fs")
    home.prepare()
    home.write("minio/photos/a/xl.meta", b"12345")
    return home


def _confirm(person: Person, *, yes: bool = False, save=None) -> None:
    asking.confirm_destroy(Wish("destroy", "fs"), person, yes=yes, save=save)


def test_nobody_to_ask_is_9_with_the_loss_in_numbers(there):
    with pytest.raises(DataProtected, match="1 object") as raised:
        _confirm(Person())
    assert raised.value.hint == "kesdeploy destroy -n fs --yes"


def test_what_was_to_be_kept_and_to_go_stays_in_the_hint(there, tmp_path):
    with pytest.raises(DataProtected) as raised:
        asking.confirm_destroy(
            Wish("destroy", "fs"), Person(), yes=False, save=tmp_path / "a b.tgz", remote_keys=("k1", "k2")
        )
    assert raised.value.hint == (
        f"kesdeploy destroy -n fs --save '{tmp_path}/a b.tgz' --yes --delete-remote-keys k1 k2"
    )


def test_a_yes_says_the_loss_and_asks_nothing(there):
    person = Person()
    _confirm(person, yes=True)
    assert "1 object (5 bytes)" in person.notes[0]


def test_the_name_is_to_be_typed(there):
    _confirm(Person(interactive=True, answers=["fs"]))
    with pytest.raises(KesdeployError, match="nothing was destroyed"):
        _confirm(Person(interactive=True, answers=["other"]))


def test_a_copy_is_offered(there, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _confirm(Person(interactive=True, answers=["fs"], yes=True))
    assert (tmp_path / "minio-kes-fs-keys.tar.gz").exists()


def test_a_copy_that_cannot_be_written_is_refused_before_anything_is_asked(there, tmp_path):
    (tmp_path / "there").touch()
    for place in (tmp_path / "no" / "x.tar.gz", tmp_path / "there", there.path("x.tar.gz")):
        with pytest.raises(UsageError, match="cannot write") as raised:
            _confirm(Person(interactive=True), save=place)
        assert "--save OTHER" in raised.value.hint
    assert there.root.exists()


def test_a_wrong_name_leaves_no_copy_and_the_right_one_does(there, tmp_path):
    there.write("kes/key", b"key")
    archive = tmp_path / "keys.tgz"
    with pytest.raises(DataProtected, match="nothing was destroyed"):
        _confirm(Person(interactive=True, answers=["other"]), save=archive)
    assert not archive.exists()
    _confirm(person := Person(interactive=True, answers=["fs"]), save=archive)
    assert archive.exists()
    assert person.notes[0] == f"to be lost for ever with 'fs': 1 object (5 bytes); 1 key will be in {archive}"


# --- import


def test_a_corrected_source_is_imported_again_as_long_as_nothing_is_up(tmp_path):
    out, source, told = tmp_path / "k.yaml", tmp_path / "kes.yaml", []
    text = "keystore:\n  vault:\n    endpoint: https://v:8200\n    approle:\n      id: a1-b2\n      secret: {}\n"
    source.write_text(text.format("c3-d4"))
    asking.import_files([source], out, "v", force=False)
    source.write_text(text.format("e5-f6"))
    for other in (out, tmp_path / "other.yaml"):
        with pytest.raises(UsageError, match="already") as raised:
            asking.import_files([source], other, "v", force=False)
        told.append(raised.value.hint)
    assert all("--force" in hint for hint in told)
    asking.import_files([source], out, "v", force=True)
    assert Home.of("v").read_secret("vault-approle-secret") == "e5-f6"
    Home.of("v").write("kesdeploy.yaml", b"name: v")
    with pytest.raises(UsageError, match="there is a deployment"):
        asking.import_files([source], out, "v", force=True)


def test_a_source_that_is_missing_is_told_before_a_file_that_is_there(tmp_path):
    (tmp_path / "k.yaml").touch()
    with pytest.raises(UsageError, match="nofile"):
        asking.import_files([tmp_path / "nofile.yaml"], tmp_path / "k.yaml", "", force=False)
