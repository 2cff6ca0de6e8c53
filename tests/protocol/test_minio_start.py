"""How MinIO starts, fails to start, and starts when it had better not; what it answers while KES is away."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest
from world import Container, start_kes, start_minio

SHOWN = "X-Amz-Server-Side-Encryption"
AUTO = {"MINIO_KMS_AUTO_ENCRYPTION": "on"}


def health(minio):
    return [minio.ask("GET", f"/minio/health/{p}", signed=False).status for p in ("live", "ready", "cluster")]


def code(answer):
    found = re.search(rb"<Code>(.*?)</Code>", answer.body)
    return found[1].decode() if found else ""


def settled(minio):
    """The real server reads its configuration in the background, and says nothing when it has."""
    if isinstance(minio.process, Container):
        time.sleep(1)
    return minio


def stop(minio):
    minio.process.signal(signal.SIGTERM)
    assert minio.process.wait(10) == 0


def clear(minio, path):
    return b"marker-text" in (minio.data / path / "xl.meta").read_bytes()


@pytest.mark.parametrize(
    ("changes", "key", "text"),
    [
        (
            {"MINIO_KMS_KES_ENDPOINT": None},
            "k",
            "incomplete configuration for MinIO KES: missing 'MINIO_KMS_KES_ENDPOINT'",
        ),
        ({"MINIO_KMS_KES_API_KEY": None}, "k", "incomplete configuration for MinIO KES: missing authentication method"),
        ({"MINIO_KMS_KES_KEY_FILE": ""}, "k", "'MINIO_KMS_KES_API_KEY' and client certificate is present"),
        ({"MINIO_KMS_SERVER": "x"}, "k", "configuration for MinIO KMS and MinIO KES is present"),
        (
            {"MINIO_KMS_SECRET_KEY": "k:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="},
            "k",
            "configuration for MinIO KES and static KMS key is present",
        ),
        (
            {"MINIO_KMS_KES_API_KEY": "kes:v1:AAAA"},
            "k",
            "Failed to connect to KMS: kes: invalid API key: invalid length",
        ),
        ({"MINIO_KMS_KES_API_KEY": "x"}, "k", "Failed to connect to KMS: illegal base64 data at input byte 0"),
        ({"MINIO_KMS_KES_CAPATH": None}, "k", "tls: failed to verify certificate: x509: certificate signed by unknown"),
        ({"MINIO_KMS_KES_ENDPOINT": "https://127.0.0.1:1"}, "k", "dial tcp 127.0.0.1:1: connect: connection refused"),
        ({}, "a.b", "failed to generate data key with KMS key: key name 'a.b' is empty, too long or contains invalid"),
        ({}, "env-prod", "key name '' is empty, too long or contains invalid characters"),
        ({"MINIO_ROOT_PASSWORD": "short"}, "default-key", "inherited from the shell environment: Invalid credentials"),
        (
            {"MINIO_ROOT_PASSWORD": None},
            "default-key",
            'Missing credential environment variable, "MINIO_ROOT_PASSWORD"',
        ),
    ],
)
def test_what_ends_it_at_once(world, kes, changes, key, text):
    minio = start_minio(world, kes, name="never", key=key, wait=False, **changes)
    assert minio.process.wait() == 1
    assert "FATAL " in minio.process.stderr()
    assert text in minio.process.stderr()


def test_auto_encryption_without_a_kms(world):
    minio = start_minio(world, None, name="never2", wait=False, **AUTO)
    assert minio.process.wait() == 1
    wanted = "FATAL MINIO_KMS_AUTO_ENCRYPTION requires a valid KMS configuration: no KMS configured"
    assert wanted in minio.process.stderr()


def test_an_environment_file_that_is_none(world):
    path = world.folder / "broken.env"
    path.write_text("nonsense\n")
    process = world.run("minio", ["server", str(world.folder / "never3")], env={"MINIO_CONFIG_ENV_FILE": str(path)})
    assert process.wait() == 1
    assert "envEntry malformed; nonsense, expected to be of form 'KEY=value'" in process.stderr()


def test_auto_encryption_fails_open_when_kes_denies(world):
    """Decides what `up` must check: healthy, 200, and in the clear on the disk."""
    kes = start_kes(world, keystore={"fs": {"path": str(world.folder / "auto-keys")}})
    config = json.loads(kes.config.read_text())
    minio = settled(start_minio(world, kes, name="auto", **AUTO))
    minio.ask("PUT", "/auto")
    assert minio.ask("PUT", "/auto/o", b"marker-text").headers[SHOWN] == "aws:kms"
    assert not clear(minio, "auto/o")
    stop(minio)

    denied = json.loads(kes.config.read_text())
    denied["policy"]["minio"]["deny"] = ["/v1/*"]
    _reconfigure(kes, denied, lambda: kes.ask("PUT", "/v1/key/generate/default-key", client=world.minio).status == 403)
    minio = settled(start_minio(world, kes, name="auto", **AUTO))
    assert health(minio) == [200, 403, 200]
    put = minio.ask("PUT", "/auto/leak", b"marker-text")
    assert (put.status, SHOWN in put.headers, clear(minio, "auto/leak")) == (200, False, True)
    assert (minio.ask("GET", "/auto/o").status, code(minio.ask("GET", "/auto/o"))) == (403, "kms:NotAuthorized")
    said = minio.process.stderr()
    for what in ("Unable to initialize config, some features may be missing", "unable to write the IAM format"):
        assert f"{what}: insufficient permissions to perform KMS operation" in said

    _reconfigure(kes, config, lambda: kes.ask("PUT", "/v1/key/generate/default-key", client=world.minio).status == 200)
    assert health(minio) == [200, 200, 200]
    assert SHOWN not in minio.ask("PUT", "/auto/still-leaks", b"marker-text").headers
    assert minio.ask("GET", "/auto/o").body == b"marker-text"
    stop(minio)

    minio = settled(start_minio(world, kes, name="auto", **AUTO))
    assert minio.ask("PUT", "/auto/mended", b"marker-text").headers[SHOWN] == "aws:kms"
    _lose_the_key(world, kes, minio, config)


def _lose_the_key(world, kes, minio, config):
    """A lost key is replaced in silence, unless the policy forbids it."""
    stop(minio)
    (world.folder / "auto-keys" / "default-key").rename(world.folder / "saved-key")
    guarded = json.loads(json.dumps(config))
    guarded["policy"]["minio"]["deny"] = ["/v1/key/create/default-key"]
    _reconfigure(kes, guarded, lambda: kes.ask("GET", "/v1/key/describe/default-key").status == 404)
    minio = settled(start_minio(world, kes, name="auto", **AUTO))
    assert health(minio) == [200, 404, 200]
    assert code(minio.ask("GET", "/auto/o")) == "kms:KeyNotFound"
    assert not (world.folder / "auto-keys" / "default-key").exists()
    stop(minio)

    denied = "/v1/key/create/default-key"
    _reconfigure(kes, config, lambda: kes.ask("GET", "/v1/policy/read/minio").json["deny"] != {denied: {}})
    minio = settled(start_minio(world, kes, name="auto", **AUTO))
    assert health(minio) == [200, 200, 200]
    assert (world.folder / "auto-keys" / "default-key").exists()
    answer = minio.ask("GET", "/auto/o")
    assert (answer.status, code(answer)) == (400, "kms:InvalidCiphertextException")
    assert (
        "Unable to initialize config, some features may be missing: failed to decrypt ciphertext"
        in minio.process.stderr()
    )
    stop(minio)


def test_the_data_keys_context_is_told_on_the_disk(world, kes):
    """What the fingerprint of last resort reads."""
    minio = settled(start_minio(world, kes, name="told"))
    content = (minio.data / ".minio.sys/config/config.json/xl.meta").read_bytes()
    found = re.search(rb'\{"keyid":"default-key","kmskey":"([^"]+)"', content)
    import base64

    context = base64.b64encode(b'{".minio.sys":".minio.sys/config/config.json"}').decode()
    answer = kes.ask("PUT", "/v1/key/decrypt/default-key", {"ciphertext": found[1].decode(), "context": context})
    assert answer.status == 200
    stop(minio)


def test_while_kes_is_away(world):
    kes = start_kes(world, keystore={"fs": {"path": str(world.folder / "away-keys")}})
    minio = settled(start_minio(world, kes, name="away"))
    minio.ask("PUT", "/bkt")
    minio.ask("PUT", "/bkt/plain", b"plain")
    minio.ask("PUT", "/bkt/kms", b"kms", headers={SHOWN: "aws:kms"})
    minio.ask("PUT", "/bkt/s3", b"s3", headers={SHOWN: "AES256"})
    kes.process.signal(signal.SIGTERM)
    kes.process.wait()
    assert health(minio) == [200, 500, 200]
    assert code(minio.ask("GET", "/minio/health/ready", signed=False)) == "kms:KeyGenerationFailed"
    assert code(minio.ask("GET", "/bkt/kms")) == "kms:DecryptionFailed"
    assert code(minio.ask("PUT", "/bkt/new", b"x", headers={SHOWN: "aws:kms"})) == "kms:KeyGenerationFailed"
    assert minio.ask("HEAD", "/bkt/kms").status == 200
    assert len(minio.ask("HEAD", "/bkt/s3").headers["ETag"]) == 96 + 2
    assert code(minio.ask("GET", "/bkt?list-type=2")) == "kms:DecryptionFailed"
    assert minio.ask("GET", "/bkt?prefix=kms").status == 200
    assert minio.ask("GET", "/bkt/plain").body == b"plain"
    assert list(minio.ask("GET", "/minio/kms/v1/status").json["endpoints"].values()) == ["offline"]
    kes = start_kes(world, port=kes.port, keystore={"fs": {"path": str(world.folder / "away-keys")}})
    assert minio.ask("GET", "/bkt/kms").body == b"kms"
    assert health(minio) == [200, 200, 200]

    minio.process.signal(signal.SIGHUP)  # no TLS, an API key: nobody listens to it
    assert minio.process.wait(5) != 0


def test_a_client_certificate_instead_of_an_api_key(world, kes):
    pair = {"MINIO_KMS_KES_CERT_FILE": str(world.minio.cert_file), "MINIO_KMS_KES_KEY_FILE": str(world.minio.key_file)}
    minio = settled(start_minio(world, kes, name="pair", MINIO_KMS_KES_API_KEY=None, **pair))
    assert health(minio) == [200, 200, 200]
    minio.process.signal(signal.SIGHUP)
    time.sleep(0.3)
    assert health(minio) == [200, 200, 200]
    stop(minio)


def test_nothing_that_was_confirmed_is_lost_by_a_kill(world, kes):
    minio = settled(start_minio(world, kes, name="killed"))
    minio.ask("PUT", "/bkt")
    bodies = {f"o{n}": bytes([n]) * (n * 20_000) for n in range(1, 12)}
    for name, body in bodies.items():
        assert minio.ask("PUT", f"/bkt/{name}", body, headers={SHOWN: "aws:kms"}).status == 200
    minio.process.signal(signal.SIGKILL)
    minio.process.wait()
    minio = settled(start_minio(world, kes, name="killed"))
    for name, body in bodies.items():
        assert minio.ask("GET", f"/bkt/{name}").body == body
    stop(minio)


def _reconfigure(kes, config, done):
    kes.config.write_text(json.dumps(config))
    kes.process.signal(signal.SIGHUP)
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end, kes.process.stderr()
        time.sleep(0.05)
