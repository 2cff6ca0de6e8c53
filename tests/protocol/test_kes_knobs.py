"""What kesdeploy renders of its knobs, as the stand-in and the real server take it."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from world import Client, Kes, certificate, free_port

from kesdeploy.kes_config import check
from kesdeploy.render import render

KEY = "team-default-key"


class Signed(Client):
    """A client with a certificate of the world's CA."""

    def by(self, world):
        leaf = certificate(self.key, name=self.name, issuer=(world.ca, world.ca_key))
        self.cert_file.write_bytes(leaf.public_bytes(Encoding.PEM))
        return self


def started(world, **knobs):
    """KES with the configuration that our own template makes of these knobs."""
    port = free_port()
    context = {
        "keys": [KEY],
        "admin": "disabled",
        "ca": "",
        "prefix": "",
        "policies": {},
        "api": {},
        "former": {},
        "minio_identity": world.minio.identity,
        "operator_identity": world.operator.identity,
        "cache": {"any": "5m", "unused": "30s", "offline": "0s"},
        "log": {"error": "info", "audit": "info"},
        "keystore": {"kind": "fs", "path": str(world.folder / f"keys-{port}")},
        **knobs,
    }
    text = render("kes/kes-config.yaml.j2", context)
    text = text.replace("0.0.0.0:7373", f"127.0.0.1:{port}")
    for inside, name in (("/certs/private.key", "server.key"), ("/certs/public.crt", "server.crt")):
        text = text.replace(inside, str(world.folder / name))
    check(text)
    config = world.folder / f"knobs-{port}.yaml"
    config.write_text(text)
    return Kes(world, port, world.run("kes", ["server", "--config", str(config)], env={"X": "b" * 64}), config)


@pytest.fixture(scope="module")
def clients(world):
    return {name: Signed(world.folder, f"knob-{name}").by(world) for name in ("app", "admin", "nobody")}


@pytest.fixture(scope="module")
def knobs(world, clients):
    allow = ["/v1/key/create/app-*", "/v1/key/generate/*", "/v1/key/list/*"]
    policies = {
        "app": {"allow": allow, "deny": ["/v1/key/generate/team-*"], "identities": [clients["app"].identity]},
        "empty": {"allow": [], "deny": [], "identities": []},
    }
    api = {"/v1/ready": {"skip_auth": True, "timeout": "7s"}, "/v1/key/create/": {"skip_auth": False, "timeout": "20s"}}
    kes = started(world, admin=clients["admin"].identity, prefix="team-", policies=policies, api=api)
    kes.wait()
    for name in (KEY, "other"):
        assert kes.ask("PUT", f"/v1/key/create/{name}").status == 200
    return kes


@pytest.mark.parametrize(
    ("who", "request_", "status"),
    [
        # MinIO: its prefix, and never the default key
        ("minio", f"PUT /v1/key/generate/{KEY}", 200),
        ("minio", "PUT /v1/key/create/team-x", 200),
        ("minio", f"PUT /v1/key/create/{KEY}", 403),
        ("minio", "PUT /v1/key/generate/other", 403),
        ("minio", "PUT /v1/key/create/other-x", 403),
        ("minio", "GET /v1/key/list/", 403),
        ("minio", "GET /v1/key/list/team-d", 200),
        # a policy of the user's: deny goes first, a prefix is one, the rest is refused
        ("app", "PUT /v1/key/create/app-1", 200),
        ("app", "PUT /v1/key/generate/other", 200),
        ("app", f"PUT /v1/key/generate/{KEY}", 403),
        ("app", "DELETE /v1/key/delete/other", 403),
        # whom no policy limits
        ("admin", f"DELETE /v1/key/delete/{KEY}x", 404),
        ("admin", "GET /v1/policy/read/app", 200),
        ("nobody", "GET /v1/key/list/", 403),
    ],
)
def test_who_may_what(knobs, clients, world, who, request_, status):
    assert knobs.ask(*request_.split(), client=clients.get(who) or getattr(world, who)).status == status


def test_policies_as_kes_tells_them(knobs, clients):
    assert knobs.ask("GET", "/v1/policy/list/").json["names"] == ["app", "empty", "minio", "operator"]
    rules = knobs.ask("GET", "/v1/policy/read/app").json
    assert (list(rules["deny"]), rules["allow"].keys()) == (
        ["/v1/key/generate/team-*"],
        {"/v1/key/create/app-*", "/v1/key/generate/*", "/v1/key/list/*"},
    )
    assert knobs.ask("GET", f"/v1/identity/describe/{clients['admin'].identity}").json["admin"] is True


def test_time_outs_as_kes_tells_them(knobs):
    routes = {route["path"]: route["timeout"] for route in knobs.ask("GET", "/v1/api").json}
    assert (routes["/v1/ready"], routes["/v1/key/create/"], routes["/v1/key/generate/"]) == (7, 20, 15)


def test_an_open_route_lets_everybody_in_and_no_further(knobs):
    assert knobs.ask("GET", "/v1/ready", client="nobody").status == 200
    assert knobs.ask("GET", "/v1/status", client="nobody").status == 400


def test_only_certificates_of_our_authority(world, clients):
    kes = started(world, ca=str(world.ca_file), admin=clients["admin"].identity)
    _until_served(lambda: kes.ask("GET", "/version", client=clients["admin"]))
    assert kes.ask("GET", "/v1/ready", client=clients["admin"]).status == 200
    assert kes.ask("GET", "/v1/ready", client=clients["nobody"]).status == 403
    # The operator's identity is in a policy: it is the certificate, signed by itself, that is turned away.
    for client in (world.operator, "nobody"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            kes.ask("GET", "/version", client=client)


def test_and_an_open_route_asks_for_none(world, clients):
    kes = started(world, ca=str(world.ca_file), api={"/v1/ready": {"skip_auth": True, "timeout": None}})
    _until_served(lambda: kes.ask("GET", "/v1/ready", client="nobody"))
    assert kes.ask("GET", "/v1/ready", client=clients["nobody"]).status == 200
    assert kes.ask("GET", "/v1/status", client="nobody").status == 400
    with pytest.raises((ssl.SSLError, ConnectionError)):
        kes.ask("GET", "/v1/ready", client=world.operator)


def _until_served(ask):
    end = time.monotonic() + 20
    while True:
        with suppress(OSError):
            return ask()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(("admin", "known"), [("${X}", "${X}"), (" ${ X } ", " ${ X } "), ("x${X}", "x${X}")])
def test_a_value_that_looks_like_a_variable_stays_what_it_is(world, admin, known, monkeypatch):
    """As secrets in a keystore's section do. Our check takes no such identity, KES takes any text."""
    monkeypatch.setattr("test_kes_knobs.check", lambda _: None)
    kes = started(world, admin=admin)
    kes.wait()
    assert known in kes.ask("GET", "/v1/identity/list/").json["identities"]


@pytest.mark.parametrize("written", ["${X}", '"${X}"', "'${X}'", '!!str "${X}"', '"\\x24{X}"'])
def test_and_no_quotes_would_have_kept_it(world, written):
    """The trap itself: why it is written as base64."""
    port = free_port()
    config = world.folder / f"bare-{port}.yaml"
    config.write_text(BARE.format(port=port, folder=world.folder, operator=world.operator.identity, admin=written))
    kes = Kes(world, port, world.run("kes", ["server", "--config", str(config)], env={"X": "b" * 64}), config)
    kes.wait()
    assert "b" * 64 in kes.ask("GET", "/v1/identity/list/").json["identities"]


BARE = """
version: v1
address: 127.0.0.1:{port}
admin:
  identity: {admin}
tls: {{key: "{folder}/server.key", cert: "{folder}/server.crt"}}
policy: {{operator: {{allow: ["/v1/*"], identities: [{operator}]}}}}
keystore: {{fs: {{path: "{folder}/keys-{port}"}}}}
"""
