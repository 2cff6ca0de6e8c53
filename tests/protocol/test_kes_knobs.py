"""What kesdeploy renders of its knobs, as the stand-in and the real server take it."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress

import pytest
from core_fixtures import SITE, spec_of
from cryptography.hazmat.primitives.serialization import Encoding
from world import Client, Kes, certificate, free_port

from kesdeploy import topology
from kesdeploy.filled import _rendered
from kesdeploy.kes_config import check
from kesdeploy.render import as_yaml

KEY = "team-default-key"


class Signed(Client):
    """A client with a certificate of the world's CA."""

    def by(self, world):
        leaf = certificate(self.key, name=self.name, issuer=(world.ca, world.ca_key))
        self.cert_file.write_bytes(leaf.public_bytes(Encoding.PEM))
        return self


def rendered(world, port, **kes):
    """The configuration of KES that a spec with these knobs has, for this machine instead of a container."""
    wanted = spec_of(**{f"kes__{name}": value for name, value in kes.items()})
    (body,) = (r.body for r in topology.desired(wanted, SITE) if r.address == topology.KES_CONFIG)
    text = _rendered(body, lambda ref: getattr(world, ref.name).identity)
    check(text)
    files = {"private.key": "server.key", "public.crt": "server.crt", "ca.crt": "ca.crt"}
    for inside, name in files.items():
        text = text.replace(f"/certs/{inside}", str(world.folder / name))
    return text.replace('"/keys"', f'"{world.folder}/keys-{port}"').replace("0.0.0.0:7373", f"127.0.0.1:{port}")


def started(world, text, port):
    """KES with this configuration. In its environment, X is an identity."""
    config = world.folder / f"knobs-{port}.yaml"
    config.write_text(text)
    return Kes(world, port, world.run("kes", ["server", "--config", str(config)], env={"X": "b" * 64}), config)


def with_knobs(world, **kes):
    port = free_port()
    return started(world, rendered(world, port, **kes), port)


@pytest.fixture(scope="module")
def clients(world):
    return {name: Signed(world.folder, f"knob-{name}").by(world) for name in ("app", "admin", "nobody")}


@pytest.fixture(scope="module")
def knobs(world, clients):
    allow = ["/v1/key/create/app-*", "/v1/key/generate/*", "/v1/key/list/*"]
    policies = {
        "app": {"allow": allow, "deny": ["/v1/key/generate/team-*"], "identities": [clients["app"].identity]},
        "empty": {},
    }
    api = {"/v1/ready": {"skip_auth": True, "timeout": "7s"}, "/v1/key/create/": {"timeout": "20s"}}
    kes = with_knobs(world, admin=clients["admin"].identity, key_prefix="team-", policies=policies, api=api)
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
    kes = with_knobs(world, auth="certificate", admin=clients["admin"].identity)
    _until_served(lambda: kes.ask("GET", "/version", client=clients["admin"]))
    assert kes.ask("GET", "/v1/ready", client=clients["admin"]).status == 200
    assert kes.ask("GET", "/v1/ready", client=clients["nobody"]).status == 403
    # The operator's identity is in a policy: it is the certificate, signed by itself, that is turned away.
    for client in (world.operator, "nobody"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            kes.ask("GET", "/version", client=client)


def test_and_an_open_route_asks_for_none(world, clients):
    kes = with_knobs(world, auth="certificate", api={"/v1/ready": {"skip_auth": True}})
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


@pytest.mark.parametrize("value", ["${X}", " ${ X } ", "x${X}"])
def test_a_value_that_looks_like_a_variable_stays_what_it_is(world, value):
    """As secrets in a keystore's section do. An identity is what KES tells again."""
    port = free_port()
    kes = started(world, rendered(world, port).replace('"disabled"', as_yaml(value)), port)
    kes.wait()
    assert value in kes.ask("GET", "/v1/identity/list/").json["identities"]


@pytest.mark.parametrize("written", ["${X}", '"${X}"', "'${X}'", '!!str "${X}"', '"\\x24{X}"'])
def test_and_no_quotes_would_have_kept_it(world, written):
    """The trap itself: why it is written as base64."""
    port = free_port()
    kes = started(world, rendered(world, port).replace('"disabled"', written), port)
    kes.wait()
    assert "b" * 64 in kes.ask("GET", "/v1/identity/list/").json["identities"]
