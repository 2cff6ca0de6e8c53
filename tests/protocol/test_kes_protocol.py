"""The KES API: one request a row, the same answer from the stand-in and from the real server."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from world import Client, Kes, certificate, free_port, kes_config, start_kes


def b64(data):
    return base64.b64encode(data).decode()


BAD_NAME = "key name '{}' is empty, too long or contains invalid characters"
EXISTS, MISSING = "key already exists", "key does not exist"
KEY = b64(b"x" * 32)


@pytest.fixture(scope="module", autouse=True)
def keys(kes):
    for name in ("one", "other"):
        assert kes.ask("PUT", f"/v1/key/create/{name}").status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("PUT", "/v1/key/create/one", None, 400, EXISTS),
        ("PUT", "/v1/key/create/a.b", None, 400, BAD_NAME.format("a.b")),
        ("PUT", "/v1/key/create/", None, 400, BAD_NAME.format("")),
        ("PUT", "/v1/key/create/-a", None, 400, BAD_NAME.format("-a")),
        ("PUT", "/v1/key/create/" + "a" * 81, None, 400, BAD_NAME.format("a" * 81)),
        ("GET", "/v1/key/create/one", None, 405, "received method 'GET' expected 'PUT'"),
        ("HEAD", "/version", None, 405, None),
        ("GET", "/v1/key/describe/none", None, 404, MISSING),
        ("DELETE", "/v1/key/delete/none", None, 404, MISSING),
        ("PUT", "/v1/key/generate/none", None, 404, MISSING),
        ("PUT", "/v1/key/decrypt/one", None, 400, "invalid request body"),
        ("PUT", "/v1/key/encrypt/one", [], 400, "invalid request body"),
        ("PUT", "/v1/key/generate/one", {"context": "%%"}, 400, "invalid request body"),
        ("PUT", "/v1/key/encrypt/one", {"plaintext": b64(bytes(1_000_000))}, 400, "invalid request body"),
        (
            "PUT",
            "/v1/key/decrypt/one",
            {"ciphertext": b64(b"x" * 60)},
            400,
            "decryption failed: ciphertext is not authentic",
        ),
        ("PUT", "/v1/key/import/new", {"key": KEY}, 406, "algorithm '' is not supported"),
        ("PUT", "/v1/key/import/new", {"key": b64(b"short"), "cipher": "AES256"}, 406, "invalid key size for 'AES256'"),
        ("PUT", "/v1/key/import/new", "x", 400, "invalid import key request body"),
        ("PUT", "/v1/key/import/one", {"key": KEY, "cipher": "AES256"}, 400, EXISTS),
        ("GET", "/v1/key/list/a.b", None, 400, "listing pattern 'a.b' is empty, too long or is invalid"),
        ("GET", "/v1/key/list/one-", None, 400, "listing pattern 'one-' is empty, too long or is invalid"),
        ("GET", "/v1/policy/read/none", None, 404, "policy does not exist"),
        ("GET", "/v1/identity/describe/none", None, 404, "identity does not exist"),
        ("GET", "/v1/identity/self/describe", None, 404, "identity does not exist"),
    ],
)
def test_refusals(kes, method, path, body, status, message):
    answer = kes.ask(method, path, body)
    assert answer.status == status
    if message is not None:
        assert answer.message == message
        assert answer.body == b'{"message":' + json.dumps(message).encode() + b"\n}"
        assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "names"),
    [("", ["one", "other"]), ("*", ["one", "other"]), ("on", ["one"]), ("o*", []), ("zz", [])],
)
def test_listing_takes_a_literal_prefix(kes, path, names):
    answer = kes.ask("GET", "/v1/key/list/" + path)
    assert (answer.status, answer.json["names"]) == (200, names)


def test_paths_without_a_route(kes):
    assert kes.ask("GET", "/nope").body == b"404 page not found\n"
    assert kes.ask("GET", "/v1/status/").status == 404
    moved = kes.ask("GET", "/v1/key/list")
    assert moved.status in (301, 307)  # it depends on the version of Go that KES was built with
    assert moved.headers["Location"] == "/v1/key/list/"
    assert kes.ask("GET", "/v1//ready").headers["Location"] == "/v1/ready"


def test_a_data_key_opens_with_its_own_context_alone(kes):
    made = kes.ask("POST", "/v1/key/generate/one", {"context": b64(b"where")}).json
    assert len(base64.b64decode(made["plaintext"])) == 32
    assert len(base64.b64decode(made["ciphertext"])) == 32 + 16 + 28
    good = kes.ask("PUT", "/v1/key/decrypt/one", {"ciphertext": made["ciphertext"], "context": b64(b"where")})
    assert good.json == {"plaintext": made["plaintext"]}
    assert kes.ask("PUT", "/v1/key/decrypt/one", {"ciphertext": made["ciphertext"]}).status == 400
    other = kes.ask("PUT", "/v1/key/decrypt/other", {"ciphertext": made["ciphertext"], "context": b64(b"where")})
    assert other.status == 400


@pytest.mark.parametrize("cipher", ["AES256", "ChaCha20"])
def test_imported_keys(kes, cipher):
    name = f"imported-{cipher}"
    assert kes.ask("PUT", f"/v1/key/import/{name}", {"key": KEY, "cipher": cipher}).body == b""
    about = kes.ask("GET", f"/v1/key/describe/{name}").json
    assert (about["name"], about["algorithm"], about["created_by"]) == (name, cipher, kes.world.operator.identity)
    sealed = kes.ask("PUT", f"/v1/key/encrypt/{name}", {"plaintext": b64(b"hello"), "context": b64(b"c")}).json
    opened = kes.ask("PUT", f"/v1/key/decrypt/{name}", {**sealed, "context": b64(b"c")})
    assert opened.json == {"plaintext": b64(b"hello")}
    assert kes.ask("DELETE", f"/v1/key/delete/{name}").status == 200
    assert kes.ask("GET", f"/v1/key/describe/{name}").status == 404


def test_who_may(kes, world):
    denied = "not authorized: insufficient permissions"
    for client, path in ((world.stranger, "/v1/ready"), (world.minio, "/v1/ready"), (world.minio, "/v1/metrics")):
        answer = kes.ask("GET", path, client=client)
        assert (answer.status, answer.message) == (403, denied)
    assert kes.ask("PUT", "/v1/key/create/guarded", client=world.minio).status == 403
    assert kes.ask("PUT", "/v1/key/create/allowed", client=world.minio).status == 200
    assert kes.ask("GET", "/version", client=world.stranger).status == 200
    authority = Client(world.folder, "authority", ca=True)
    answer = kes.ask("GET", "/v1/ready", client=authority)
    assert (answer.status, answer.message) == (400, "tls: client certificate is required")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        kes.ask("GET", "/version", client="nobody")


def test_policies_and_identities(kes, world):
    assert kes.ask("GET", "/v1/policy/list/").json == {"names": ["minio", "operator"], "continue_at": ""}
    assert kes.ask("GET", "/v1/policy/list/m*").json["names"] == ["minio"]
    rules = kes.ask("GET", "/v1/policy/read/minio").json
    assert rules["deny"] == {"/v1/key/create/guarded": {}}
    assert rules["allow"]["/v1/status"] == {}
    assert rules["created_by"] == "disabled"
    about = kes.ask("GET", f"/v1/identity/describe/{world.minio.identity}").json
    assert (about["policy"], about["created_by"]) == ("minio", "disabled")
    assert kes.ask("GET", "/v1/identity/describe/disabled").json["admin"] is True
    everyone = sorted(["disabled", world.minio.identity, world.operator.identity])
    assert kes.ask("GET", "/v1/identity/list/*").json["identities"] == everyone


def test_status_metrics_and_the_list_of_routes(kes):
    status = kes.ask("GET", "/v1/status").json
    assert status["keystore_latency"] >= 1
    assert "keystore_unreachable" not in status
    assert b'kes_http_request_success{code="200"}' in kes.ask("GET", "/v1/metrics").body
    routes = {r["path"]: r for r in kes.ask("GET", "/v1/api").json}
    assert routes["/v1/key/import/"] == {"method": "PUT", "path": "/v1/key/import/", "max_body": 1000000, "timeout": 15}
    assert kes.ask("GET", "/v1/ready").body == b""


def test_the_audit_log_names_what_changed_keys(kes, world):
    kes.ask("PUT", "/v1/key/create/audited")
    # The engine hands a line on a moment after it was written.
    _until(lambda: "'audited' created" in kes.process.stdout())
    line = next(line for line in kes.process.stdout().splitlines() if "'audited' created" in line)
    for part in ("level=INFO", "req.method=PUT", "req.path=/v1/key/create/audited", "res.code=200"):
        assert part in line
    assert f"req.identity={world.operator.identity}" in line


def test_signals(world):
    kes = start_kes(world, keystore={"fs": {"path": str(world.folder / "signals")}})
    assert kes.ask("PUT", "/v1/key/create/gone").status == 200
    assert kes.ask("PUT", "/v1/key/generate/gone").status == 200
    (world.folder / "signals" / "gone").unlink()
    assert kes.ask("PUT", "/v1/key/generate/gone").status == 200  # from the cache
    kes.process.signal(1)
    _until(lambda: kes.ask("PUT", "/v1/key/generate/gone").status == 404)

    kes.config.write_text("admin: {}")
    kes.process.signal(1)
    _until(lambda: "Failed to reload server config: kesconf: invalid admin identity" in kes.process.stderr())
    assert kes.ask("GET", "/v1/ready").status == 200  # the old configuration is in force

    config = kes_config(world, kes.port, keystore={"fs": {"path": str(world.folder / "signals")}})
    config["policy"]["new"] = {"allow": ["/v1/ready"], "identities": [world.stranger.identity]}
    new = world.server_pair("renewed")
    config["tls"] = {"key": str(world.folder / "renewed.key"), "cert": str(world.folder / "renewed.crt")}
    kes.config.write_text(json.dumps(config))
    kes.process.signal(1)
    _until(lambda: kes.ask("GET", "/v1/ready", client=world.stranger).status == 200)
    assert "=> Reloading configuration after SIGHUP signal completed." in kes.process.stdout()
    assert _serial(kes) == new.serial_number
    kes.process.signal(15)
    assert kes.process.wait(5) == 0


def test_certificate_mode_trusts_the_ca_alone(world):
    tls = kes_config(world, 1)["tls"] | {"auth": "on", "ca": str(world.ca_file)}
    kes = _certificate_mode(world, tls)
    assert kes.ask("GET", "/v1/ready", client=kes.client).status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        kes.ask("GET", "/version")


def test_skip_auth_needs_no_certificate(world):
    kes = start_kes(world, api={"/v1/ready": {"skip_auth": True}})
    assert kes.ask("GET", "/v1/ready", client="nobody").status == 200
    answer = kes.ask("GET", "/v1/status", client="nobody")
    assert (answer.status, answer.message) == (400, "tls: client certificate is required")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"admin": {}}, "kesconf: invalid admin identity: no admin identity"),
        ({"tls": {"cert": "x"}}, "kesconf: invalid tls config: no private key"),
        ({"tls": {"key": "x"}}, "kesconf: invalid tls config: no certificate"),
        ({"tls": {"key": "x", "cert": "y", "auth": "sure"}}, "kesconf: invalid tls config: invalid auth '{ sure}'"),
        ({"keystore": None}, "kesconf: no keystore specified"),
        ({"keystore": {"fs": {}}}, "kesconf: invalid fs keystore: no path specified"),
        (
            {
                "keystore": {
                    "fs": {"path": "/x"},
                    "vault": {"endpoint": "https://x", "approle": {"id": "a", "secret": "b"}},
                }
            },
            "kesconf: invalid keystore config: more than once keystore specified",
        ),
        (
            {"keystore": {"vault": {"endpoint": "x"}}},
            "kesconf: invalid vault keystore: no authentication method specified",
        ),
        ({"cache": {"expiry": {"any": 0}}}, "cannot unmarshal !!int `0` into time.Duration"),
        ({"admin": {"identity": "${NOT_THERE}"}}, "kesconf: referenced env. variable 'NOT_THERE' in line"),
        ({"address": "localhost:1"}, "'localhost' is not a valid IP address"),
        ({"address": "7373"}, "address 7373: missing port in address"),
        ({"version": "v2"}, "edge: invalid server config version 'v2'"),
        (
            {"tls": {"key": "/nokey", "cert": "/nocert"}},
            "failed to read TLS certificate: open /nocert: no such file or directory",
        ),
        ({"keys": [{"name": "a"}, {"name": "a"}]}, "kesconf: invalid key config: key 'a' is defined multiple times"),
        ({"log": {"error": "loud"}}, 'strconv.Atoi: parsing "LOUD": invalid syntax'),
        (
            {"policy": {"p": {"identities": ["disabled"]}}},
            "kesconf: invalid policy 'p': identity 'disabled' is already admin",
        ),
        ({"policy": {"p.q": {}}}, "kes: policy name 'p.q' is empty, too long or contains invalid characters"),
        ({"policy": {"p": {"identities": ["same"]}, "q": {"identities": ["same"]}}}, "identity already has a policy"),
    ],
)
def test_configurations_that_are_refused(world, changes, text):
    path = world.folder / "refused.yaml"
    path.write_text(json.dumps(kes_config(world, free_port(), **changes)))
    process = world.run("kes", ["server", "--config", str(path)])
    assert process.wait() == 1
    assert process.stderr().splitlines()[-1].startswith(("Error: ", "  line"))
    assert text in process.stderr()


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["server", "--auth", "--config=/x"], 1, "Error: open : no such file or directory"),
        (["server", "--auth"], 1, "Error: flag needs an argument: --auth. See 'kes server --help'"),
        (["server", "--mlock"], 1, "Error: unknown flag: --mlock. See 'kes server --help'"),
        (["server", "one"], 1, "Error: too many arguments. See 'kes server --help'"),
        (["server", "--config", "/not/there"], 1, "Error: open /not/there: no such file or directory"),
        (["kes"], 1, "\"kes\" is not a kes command. See 'kes --help'"),
        (["server", "--help"], 2, "kes server [options]"),
    ],
)
def test_the_command_line(world, args, code, text):
    process = world.run("kes", args)
    assert process.wait() == code
    _until(lambda: text in process.stderr())


def _until(question, deadline=10.0):
    end = time.monotonic() + deadline
    while not question():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def _serial(kes):
    return x509.load_der_x509_certificate(_peer(kes)).serial_number


def _peer(kes):
    context = ssl.create_default_context(cafile=str(kes.world.ca_file))
    context.load_cert_chain(kes.world.operator.cert_file, kes.world.operator.key_file)
    with (
        socket.create_connection(("127.0.0.1", kes.port)) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as tls,
    ):
        return tls.getpeercert(binary_form=True)


def _certificate_mode(world, tls):
    """A KES that verifies; its client has a certificate that our CA signed."""
    client = Client(world.folder, "signed")
    client.cert_file.write_bytes(
        certificate(client.key, name="signed", issuer=(world.ca, world.ca_key)).public_bytes(Encoding.PEM)
    )
    policy = {"all": {"allow": ["/v1/ready"], "identities": [client.identity]}}
    path = world.folder / "verify.yaml"
    port = free_port()
    path.write_text(json.dumps(kes_config(world, port, tls=tls, policy=policy)))
    process = world.run("kes", ["server", "--config", str(path)])
    kes = Kes(world, port, process, path)
    kes.client = client
    _until(lambda: _answers(kes))
    return kes


def _answers(kes):
    try:
        return kes.ask("GET", "/version", client=kes.client).status == 200
    except OSError:
        return False
