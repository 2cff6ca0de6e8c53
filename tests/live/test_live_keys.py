"""`kesdeploy key` on the real engine: with the stand-ins, and with the real KES and MinIO."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

import pytest
from commandline import RELEASE, podman

from kesdeploy import services
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS
from kesdeploy.sandbox.kes import keys as stored
from kesdeploy.spec import load

if TYPE_CHECKING:
    from pathlib import Path

    from commandline import Cli
    from objects import Objects

    from kesdeploy.clients.kes import Kes

pytestmark = pytest.mark.engine
DEFAULT = "minio-backend-default-key"
BOTH = pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)


def kes(cli: Cli, identity: str = "operator") -> Kes:
    return services.kes(load(cli.read("kesdeploy.yaml"), {}, FIELDS), Home(cli.name, cli.folder), identity=identity)


def forget(cli: Cli) -> None:
    """Have KES read keys anew."""
    podman("kill", "-s", "HUP", cli.container("kes-server"))
    time.sleep(0.5)


def lose(cli: Cli, key: str) -> bytes:
    """The key's own bytes, and it is gone."""
    file = cli.folder / "kes" / key
    secret = stored.decode(file.read_bytes()).secret
    file.unlink()
    forget(cli)
    return secret


@BOTH
def test_a_key_through_its_life(running: Cli) -> None:
    made = running("key", "create", "one", "two", "one", "--json").data["keys"]
    assert [(key["name"], key["created"]) for key in made] == [("one", True), ("two", True)]
    assert running("key", "create", "one", "--json").data["keys"][0] == {
        "name": "one",
        "created": False,
        "maker": "operator",
    }
    sealed = running("key", "encrypt", "one", "--context", "c", stdin="größe\n").out.strip()
    assert running("key", "decrypt", "one", "-", "--context", "c", "--text", stdin=sealed).out == "größe\n"
    for wrong in (("two", sealed, "--context", "c"), ("one", sealed)):
        assert "--context" in running("key", "decrypt", *wrong, expect=6).error[-1]
    made = running("key", "dek", "two", "--json").data
    assert running("key", "decrypt", "two", made["ciphertext"]).out.strip() == made["plaintext"]
    assert running("key", "delete", "two", expect=9)
    running("key", "delete", "two", "--yes")
    forget(running)
    assert running("key", "info", "two", expect=6)
    assert running("key", "decrypt", "two", made["ciphertext"], expect=6)
    assert [key["name"] for key in running("key", "list", "--json").data["keys"]] == [DEFAULT, "one"]
    assert running.again().changes == []


@BOTH
def test_who_made_a_key(running: Cli) -> None:
    kes(running, "minio").create_key("by-minio")
    found = {key["name"]: key["maker"] for key in running("key", "list", "--long", "--json").data["keys"]}
    assert found == {DEFAULT: "operator", "by-minio": "minio"}
    running("key", "delete", "by-minio", "--yes")


@pytest.mark.parametrize("cli", [RELEASE], indirect=True)
def test_more_keys_than_kes_lists(running: Cli) -> None:
    door = kes(running)
    wanted = {DEFAULT, *(f"many-{n}" for n in range(1100)), *(f"Z{n}" for n in range(50))}
    for name in wanted - {DEFAULT}:
        door.create_key(name)
    (running.folder / "kes" / "lost+found").mkdir()
    found = running("key", "list", "--json").data
    assert {key["name"] for key in found["keys"]} == wanted
    assert found["others"] == 1
    assert len(running("key", "list", "many-1", "--json").data["keys"]) == 211


@BOTH
def test_what_is_needed_stays(running: Cli, objects: Objects) -> None:
    assert "default key" in running("key", "delete", DEFAULT, "--yes", expect=9).err
    running("bucket", "create", "own", "--key", "own-key")
    assert "the bucket own" in running("key", "delete", "own-key", "--yes", expect=9).err
    objects.put("own", "cat", b"meow" * 1000)
    running("bucket", "encrypt", "set", "own")
    assert "1 objects" in running("key", "delete", "own-key", "--yes", expect=9).err
    info = running("key", "info", "own-key", "--json").data
    assert (info["objects"], info["objects_in"], info["buckets"], info["minio"]) == (1, {"own": 1}, [], "ok")
    objects.s3.remove_object("own", "cat")
    del objects.stored["own", "cat"]
    running("key", "delete", "own-key", "--yes")
    running("stop")
    running("start")
    assert running.again().changes == [], "MinIO is started without it"
    objects.assert_intact()


@BOTH
def test_nothing_is_deleted_while_minio_is_silent(running: Cli) -> None:
    running("key", "create", "one")
    podman("stop", "-t", "3", running.container("minio-server"))
    assert "does not answer" in running("key", "delete", "one", "--yes", expect=9).err
    assert running("key", "info", "one", "--json").data["minio"] is None
    running("stop")
    assert "kesdeploy start" in running("key", "list", expect=7).error[-1]


@BOTH
def test_a_lost_key_comes_back_and_no_other_in_its_place(running: Cli, objects: Objects, tmp_path: Path) -> None:
    secret = lose(running, DEFAULT)
    assert f"kes/{DEFAULT} is gone" in running("key", "create", DEFAULT, expect=9).err
    assert "key import" in running("key", "info", DEFAULT, expect=9).err
    wrong = base64.b64encode(bytes(32)).decode()
    assert "not the key" in running("key", "import", DEFAULT, "-", stdin=wrong, expect=9).err
    assert not (running.folder / "kes" / DEFAULT).exists()
    (tmp_path / "key").write_bytes(secret)
    assert running("key", "import", DEFAULT, f"@{tmp_path / 'key'}", "--json").data["proven"] is True
    objects.assert_intact()
    running("stop")
    running("start")
    objects.assert_intact()


@BOTH
def test_a_key_that_was_brought_encrypts_objects(running: Cli, objects: Objects) -> None:
    word = base64.b64encode(bytes(range(32))).decode()
    done = running("key", "import", "brought", "env:THE_KEY", env={"THE_KEY": word})
    assert word not in done.out + done.err
    assert running("key", "import", "brought", "-", stdin=base64.b64encode(bytes(32)).decode(), expect=2)
    running("bucket", "create", "own", "--key", "brought")
    objects.put("own", "cat", b"meow")
    assert objects.head("own", "cat")["x-amz-server-side-encryption-aws-kms-key-id"].endswith("brought")
    objects.assert_intact()
    assert stored.decode((running.folder / "kes" / "brought").read_bytes()).secret == bytes(range(32))


def test_a_key_in_no_place_that_others_read(running: Cli) -> None:
    """Neither argument nor variable of any process, log nor state."""
    word = base64.b64encode(b"\x5a\xa5" * 16).decode()
    running("key", "import", "mine", "-", "-v", stdin=word)
    logs = podman("logs", running.container("kes-server")) + podman("inspect", running.container("kes-server"))
    assert word not in logs
    for file in running.folder.rglob("*"):
        if file.is_file() and file.parent.name != "kes":
            assert word.encode() not in file.read_bytes(), file
