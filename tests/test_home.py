"""A file of a deployment is the old one or the new one, whatever happens; and nobody else reads it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kesdeploy import files
from kesdeploy.errors import StateError, UsageError
from kesdeploy.files import write_private
from kesdeploy.home import Home, new_password, new_user, parent
from kesdeploy.minio_rules import unreadable

ROOT = Path(__file__).parents[1]
NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may do this")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})


@pytest.fixture
def home(kesdeploy_home):
    made = Home.of("demo")
    made.prepare()
    return made


@pytest.mark.parametrize("where", ["", "~nobody-of-that-name/x"])
def test_no_home_folder_at_all_is_said_with_the_way_out(monkeypatch, where):
    """As in a container that runs as a user whom nobody knows."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("KESDEPLOY_HOME", where)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    with pytest.raises(UsageError) as raised:
        parent()
    assert raised.value.hint.startswith("KESDEPLOY_HOME=")


def test_the_folder_stands_where_it_was_told(kesdeploy_home):
    assert Home.of("demo").root == kesdeploy_home / "minio-kes-demo"


@pytest.mark.parametrize("value", ["", None])
def test_and_in_the_home_folder_when_it_was_not(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KESDEPLOY_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("KESDEPLOY_HOME", value)
    assert parent() == tmp_path


@pytest.mark.parametrize("value", ["~/there", "there", "./there"])
def test_it_is_absolute_because_the_engine_mounts_it(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KESDEPLOY_HOME", value)
    assert parent() == tmp_path / "there"


def test_a_name_that_no_engine_can_be_told_is_refused_before_anything_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("KESDEPLOY_HOME", os.fsdecode(os.fsencode(tmp_path / "l") + b"\xff"))
    with pytest.raises(UsageError) as error:
        parent()
    assert r"l\udcff" in error.value.what
    assert "LC_ALL=C.UTF-8" in error.value.hint
    monkeypatch.setenv("KESDEPLOY_HOME", f"{tmp_path}/two\nlines")
    with pytest.raises(UsageError, match=r"two\\nlines"):
        parent()


def test_all_of_it_is_private(home, monkeypatch):
    before = os.umask(0)
    try:
        home.write("config/kes/kes-config.yaml", b"x")
        home.write_secret("root-password", "x")
        home.make("kes/deep/er")
        Home.of("other").prepare()
    finally:
        os.umask(before)
    for path in home.root.parent.rglob("*"):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_a_mode_may_be_asked_for(home):
    home.write("certs/kes-server/public.crt", b"x", 0o644)
    assert mode(home.path("certs/kes-server/public.crt")) == 0o644


@pytest.mark.parametrize(("mask", "left"), [(0o777, 0o077), (0o022, 0o022), (0, 0)])
def test_no_umask_locks_the_owner_out(mask, left):
    script = "import os; os._exit = lambda _: print(oct(os.umask(0))); from kesdeploy.__main__ import main; main()"
    argv = (sys.executable, "-c", f"import os; os.umask({mask}); {script}", "--version")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == oct(left), done


def test_a_file_is_made_private_before_it_holds_anything(home, monkeypatch):
    seen = []
    monkeypatch.setattr(files.os, "fsync", lambda handle: seen.append(stat.S_IMODE(os.fstat(handle).st_mode)))
    home.write("secrets/x", b"secret", 0o644)
    assert seen[0] == 0o600


def test_what_was_written_is_read_and_nothing_is_none(home):
    home.write("a/b", b"\xff\0")
    assert home.read("a/b") == b"\xff\0"
    assert home.read("a/c") is None
    assert home.read("a/b/c") is None
    assert home.read_secret("none") is None
    home.write_secret("password", "pässwörd")
    assert home.read_secret("password") == "pässwörd"


def test_a_secret_that_is_no_text_is_no_traceback(home):
    home.write("secrets/password", b"\xff\xfe")
    with pytest.raises(StateError, match="holds no text"):
        home.read_secret("password")


def test_a_folder_in_the_place_of_a_file(home):
    home.make("state.json")
    with pytest.raises(StateError, match="cannot read"):
        home.read("state.json")
    with pytest.raises(StateError, match="cannot write"):
        home.write("state.json", b"")


def test_writing_leaves_nothing_else_behind(home):
    for _ in range(3):
        home.write("config/x", b"1")
    assert [path.name for path in home.path("config").iterdir()] == ["x"]


def test_rewriting_changes_file_and_folder_in_one_step(home):
    home.write("config/x", b"old")
    with home.path("config/x").open("rb") as reader:
        home.write("config/x", b"new")
        assert reader.read() == b"old"
    assert home.read("config/x") == b"new"


KILLED = """
import os, sys, pathlib
from kesdeploy import home
step = sys.argv[2]
real = getattr(os, step)
def die(*arguments, **named):
    os.kill(os.getpid(), 9)
setattr(os, step, die)
home.write_private(pathlib.Path(sys.argv[1]), b"new" * 100_000)
"""


@pytest.mark.parametrize("step", ["fdopen", "fsync", "chmod", "replace"])
def test_killed_while_writing_leaves_the_old_file(home, step):
    home.write("state.json", b"old")
    assert python(KILLED, home.state, step).returncode == -signal.SIGKILL
    assert home.read("state.json") == b"old"
    assert all(mode(path) == 0o600 for path in home.root.iterdir() if path.is_file())
    home.write("state.json", b"new")
    assert home.read("state.json") == b"new"


def test_interrupted_while_writing_leaves_nothing(home, monkeypatch):
    home.write("state.json", b"old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        home.write("state.json", b"new")
    monkeypatch.undo()
    assert home.read("state.json") == b"old"
    assert [path.name for path in home.root.iterdir() if path.is_file()] == ["state.json"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "kesdeploy-test", str(folder)]
    tried = subprocess.run(argv, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no tmpfs can be mounted: {tried.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@as_root
def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(small_disk):
    file = small_disk / "state.json"
    write_private(file, b"old")
    with pytest.raises(StateError) as caught:
        write_private(file, b"x" * 200_000)
    assert caught.value.because == os.strerror(28)
    assert f"df -h {small_disk}" in caught.value.hint
    assert [path.name for path in small_disk.iterdir()] == ["state.json"]
    assert file.read_bytes() == b"old"
    write_private(file, b"new")
    assert file.read_bytes() == b"new"


@as_root
def test_a_read_only_disk(small_disk):
    file = small_disk / "state.json"
    write_private(file, b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StateError) as caught:
        write_private(file, b"new")
    assert caught.value.because == os.strerror(30)
    assert "KESDEPLOY_HOME" in caught.value.hint
    assert file.read_bytes() == b"old"


TRIES = """
import os, sys, pathlib
from kesdeploy.errors import StateError
from kesdeploy.files import write_private
from kesdeploy.home import Home
os.environ["KESDEPLOY_HOME"] = sys.argv[1]
# Only now: the interpreter itself may lie where nobody else may look.
os.setgroups([])
os.setuid(int(sys.argv[2]))
print([home.name for home in Home.all()], Home.of("demo").ours)
for tried in (lambda: write_private(pathlib.Path(sys.argv[1]) / "x", b""), lambda: Home.of("other").prepare(),
              lambda: Home(name="open", root=pathlib.Path(sys.argv[1]) / "open").read("secret")):
    try:
        tried()
    except StateError as error:
        print(error, error.because, error.hint, sep=" | ")
"""


@as_root
def test_a_folder_of_somebody_else(home, tmp_path):
    # One more level when the tests are shared among workers.
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder == Path("/tmp"):
            break
        folder.chmod(0o755)
    home.root.parent.chmod(0o755)
    (home.root.parent / "open").mkdir(mode=0o755)
    write_private(home.root.parent / "open" / "secret", b"x")
    told = python(TRIES, home.root.parent, NOBODY)
    assert told.stderr == ""
    listed, *refused = told.stdout.splitlines()
    # What cannot be looked into is not ours, and no reason to fail.
    assert listed == "[] False"
    assert [line.split(" | ")[1] for line in refused] == [os.strerror(13)] * 3
    assert all("ls -ld" in line for line in refused)


def test_a_state_of_another_program_is_no_mark(kesdeploy_home):
    other = Home.of("infra")
    other.write("state.json", b'{"terraform": 1}')
    assert not other.ours


def test_a_folder_of_the_tutorial_is_not_ours(kesdeploy_home):
    for name in ("certs", "config", "minio"):
        (kesdeploy_home / "minio-kes-vault" / name).mkdir(parents=True)
    tutorial = Home.of("vault")
    assert tutorial.exists
    assert not tutorial.ours
    assert Home.all() == ()


@pytest.mark.parametrize("lost", ["state.json", "secrets/.kesdeploy"])
def test_either_mark_is_enough(home, lost):
    home.write("state.json", f'{{"deployment": "{home.name}"}}'.encode())
    home.path(lost).unlink()
    assert home.ours
    assert Home.all() == (home,)


def test_a_file_of_that_name_is_no_deployment(kesdeploy_home):
    (kesdeploy_home / "minio-kes-x").write_text("")
    assert Home.all() == ()


def test_deployments_are_listed_by_name(kesdeploy_home):
    for name in ("b", "a", "c-1"):
        Home.of(name).prepare()
    assert [found.name for found in Home.all()] == ["a", "b", "c-1"]


def test_no_folder_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("KESDEPLOY_HOME", str(tmp_path / "none"))
    assert Home.all() == ()
    assert Home.of("demo").owner() == f"{os.getuid()}:{os.getgid()}"


def test_preparing_again_changes_nothing(home):
    home.write_secret("root-password", "x")
    before = {path: path.stat().st_mtime_ns for path in home.root.rglob("*")}
    home.prepare()
    assert {path: path.stat().st_mtime_ns for path in home.root.rglob("*")} == before


@as_root
def test_the_owner_is_whose_folder_it_is(home):
    os.chown(home.root, 1234, 4321)
    assert home.owner() == "1234:4321"


def test_remove_takes_all_and_may_be_repeated(home):
    home.write("minio/bucket/object", b"x")
    home.remove()
    assert not home.exists
    home.remove()


def test_generated_credentials_survive_every_parser():
    words = {new_password() for _ in range(200)}
    assert len(words) == 200
    assert all(len(word) == 32 and word.isascii() and word.isalnum() and not unreadable(word) for word in words)
    assert all(user.startswith("admin-") and not unreadable(user) for user in {new_user() for _ in range(50)})


def test_half_a_mark_is_nothing_of_anybody_elses(kesdeploy_home):
    """A kill amid the very first write leaves its temporary file."""
    home = Home.of("fs")
    home.root.joinpath("secrets").mkdir(parents=True)
    home.root.joinpath("secrets", "..kesdeploy.x1y2z3").touch()
    assert home.hollow
    home.root.joinpath("secrets", "root-password").touch()
    assert not home.hollow


def test_what_a_kill_left_half_written_is_swept(kesdeploy_home):
    home = Home.of("fs")
    home.prepare()
    home.write_secret("root-password", "x")
    home.write("kesdeploy.yaml", b"name: fs\n")
    for name in ("secrets/.root-password.ab12cd_9", ".state.json.a1b2c3d4"):
        home.path(name).touch()
    home.sweep()
    assert {path.name for path in home.path("secrets").iterdir()} == {".kesdeploy", "root-password"}
    assert not list(home.root.glob(".state*"))
    assert home.ours


def test_a_disk_that_keeps_no_modes_holds_no_keys(kesdeploy_home, monkeypatch):
    """As one of Windows below /mnt in WSL: everything is everybody's there, and chmod says nothing."""
    home = Home.of("new")
    home.secret("x").parent.mkdir(parents=True)
    home.secret("x").parent.chmod(0o777)
    monkeypatch.setattr(type(home.root), "chmod", lambda *_: None)
    with pytest.raises(StateError, match="cannot hold keys") as raised:
        home.prepare()
    assert "KESDEPLOY_HOME" in raised.value.hint
    assert list(home.secret("x").parent.iterdir()) == []


def test_secrets_that_somebody_opened_are_closed_again(home):
    home.prepare()
    home.secret("x").parent.chmod(0o755)
    home.prepare()
    assert home.secret("x").parent.stat().st_mode & 0o777 == 0o700
