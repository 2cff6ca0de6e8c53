"""The KES client against a server in this process that answers as KES 2025-03-12T09-35-18Z did to the same requests."""

from __future__ import annotations

import base64
import json
import socket

import pytest

from kesdeploy.clients.kes import Kes
from kesdeploy.errors import CertificateError, ServiceError

NAMED = (400, b'{"message":"key already exists"\n}')
DENIED = (403, b'{"message":"not authorized: insufficient permissions"\n}')
MISSING = (404, b'{"message":"key does not exist"\n}')
GARBLED = (400, b'{"message":"decryption failed: ciphertext is not authentic"\n}')
ERRORS = [
    NAMED,
    DENIED,
    MISSING,
    GARBLED,
    (406, b'{"message":"invalid key size for \'AES256\'"\n}'),
    (502, b'{"message":"failed to read key"\n}'),
    (504, b'{"message":"key store is not reachable"\n}'),
]


def client(server, world, timeout: float = 5) -> Kes:
    return Kes(server.address, world.ca, *world.client, timeout)


@pytest.fixture
def server(serve):
    return serve(demands_client=True)


@pytest.mark.parametrize(("status", "body"), ERRORS)
def test_every_refusal_keeps_its_status_and_words(server, world, status, body):
    server.answers["PUT", "/v1/key/generate/k1"] = (status, body)
    with pytest.raises(ServiceError) as caught:
        client(server, world).generate("k1")
    assert (caught.value.status, caught.value.because) == (status, json.loads(body)["message"])
    assert "k1" in caught.value.what


def test_a_refusal_in_plain_text(server, world):
    with pytest.raises(ServiceError) as caught:
        client(server, world).describe_identity("0" * 64)
    assert (caught.value.status, caught.value.because) == (404, "404 page not found")


def test_a_key_that_exists_is_not_new(server, world):
    server.answers["PUT", "/v1/key/create/k1"] = NAMED
    server.answers["PUT", "/v1/key/create/k2"] = (200, b"")
    kes = client(server, world)
    assert (kes.create_key("k1"), kes.create_key("k2")) == (False, True)


def test_another_400_is_no_success(server, world):
    body = b'{"message":"key name \'bad.name\' is empty, too long or contains invalid characters"\n}'
    server.answers["PUT", "/v1/key/create/bad.name"] = (400, body)
    with pytest.raises(ServiceError, match=r"bad\.name") as caught:
        client(server, world).create_key("bad.name")
    assert "invalid characters" in caught.value.because


@pytest.mark.parametrize("name", ["k1?x", "k1#x", "../k1", "k1/"])
def test_an_odd_name_never_means_another_key(server, world, name):
    server.answers["DELETE", "/v1/key/delete/k1"] = (200, b"")
    with pytest.raises(ServiceError):
        client(server, world).delete_key(name)


def test_a_create_whose_answer_is_lost_is_looked_for(server, world):
    server.answers["PUT", "/v1/key/create/k1"] = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    kes = client(server, world)
    with pytest.raises(ServiceError, match="does not answer"):
        kes.create_key("k1")
    server.answers["GET", "/v1/key/describe/k1"] = (200, b'{"name":"k1"}')
    assert kes.create_key("k1")


NAMES = sorted(
    {f"key-{i}" for i in range(1500)}
    | {f"Z_{i}" for i in range(1200)}
    | {f"a--b-{i}" for i in range(300)}
    | {"_x", "__", "key"}
)


def list_as_kes_does(handler) -> None:
    """One page, in order; `validPattern` of KES's auth.go decides what is 400."""
    prefix = handler.path.removeprefix("/v1/key/list/")
    if prefix == "_" or prefix.startswith("-") or prefix.endswith("-"):
        handler.answer(400, b'{"message":"listing pattern is empty, too long or is invalid"\n}')
    else:
        page = [name for name in NAMES if name.startswith(prefix)][:1024]
        handler.answer(200, json.dumps({"names": page}).encode())


@pytest.mark.parametrize("prefix", ["", "key", "key-", "Z_", "a--", "_", "nothing"])
def test_a_long_listing_is_followed_by_prefix(server, world, prefix):
    server.any = list_as_kes_does
    assert sorted(client(server, world).list_keys(prefix)) == [name for name in NAMES if name.startswith(prefix)]


def test_a_long_listing_goes_on_where_the_page_ended(server, world):
    """Not from the first letter again: each request may be a listing of a whole cloud account."""
    server.any = list_as_kes_does
    found = list(client(server, world).list_keys("key"))
    assert len(found) == len(set(found)) == 1501
    assert len(server.asked) < 130


def test_files_that_are_missing_or_wrong(server, world, tmp_path):
    for files in ((tmp_path / "none", *world.client), (world.ca, tmp_path / "none", world.client[1])):
        with pytest.raises(CertificateError, match="none"):
            Kes(server.address, *files, 5).ready()
    with pytest.raises(CertificateError):
        Kes(server.address, world.ca, world.ca, world.client[1], 5).ready()


def test_a_data_key_hides_its_plaintext(server, world):
    plain, sealed = b"p" * 32, b"sealed"
    body = {"plaintext": base64.b64encode(plain).decode(), "ciphertext": base64.b64encode(sealed).decode()}
    server.answers["PUT", "/v1/key/generate/k1"] = (200, json.dumps(body).encode())
    found = client(server, world).generate("k1", b"context")
    assert (found.plaintext, found.ciphertext) == (plain, sealed)
    assert repr(plain) not in repr(found)
    assert json.loads(server.asked[-1].body) == {"context": base64.b64encode(b"context").decode()}


def test_a_short_listing_is_one_request(server, world):
    server.answers["GET", "/v1/key/list/"] = (200, b'{"names":["a","b"],"continue_at":""}')
    assert list(client(server, world).list_keys()) == ["a", "b"]
    assert len(server.asked) == 1


def test_names_that_were_not_asked_for(server, world):
    server.answers["GET", "/v1/key/list/a"] = (200, b'{"names":["","","a1","b1"]}')
    assert list(client(server, world).list_keys("a")) == ["a1"]


def test_no_names_at_all(server, world):
    server.answers["GET", "/v1/key/list/x"] = (200, b'{"names":null}')
    assert list(client(server, world).list_keys("x")) == []


def test_a_kes_that_was_built_without_a_version_has_none(server, world):
    server.answers["GET", "/version"] = (200, b'{"version":"<unknown>","commit":"<unknown>"}')
    assert client(server, world).version() == ""
    server.answers["GET", "/version"] = (200, b'{"version":"2025-03-12T09-35-18Z"}')
    assert client(server, world).version() == "2025-03-12T09-35-18Z"


def test_a_broken_answer(server, world):
    server.answers["GET", "/version"] = (200, b'{"version":')
    with pytest.raises(ServiceError, match="not JSON"):
        client(server, world).version()


def test_connections_are_kept(server, world):
    server.answers["GET", "/v1/ready"] = (200, b"")
    kes = client(server, world)
    for _ in range(5):
        kes.ready()
    assert server.connections == 1


def test_a_server_that_restarts_is_met_again(serve, world):
    server = serve()
    server.answers["GET", "/v1/ready"] = (200, b"")
    server.headers["Connection"] = "close"
    kes = client(server, world)
    kes.ready()
    kes.ready()
    assert server.connections == 2


def test_a_connection_that_is_dropped_before_the_answer(server, world):
    def drop(handler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    server.answers["GET", "/version"] = drop
    with pytest.raises(ServiceError) as caught:
        client(server, world).version()
    assert caught.value.status == 0


def test_nothing_listens(world):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ServiceError) as caught:
        Kes(f"https://127.0.0.1:{port}", world.ca, *world.client, 5).ready()
    assert (caught.value.status, caught.value.because) == (0, "connection refused")


def test_something_listens_and_says_nothing(silent, world):
    with pytest.raises(ServiceError) as caught:
        Kes(f"https://127.0.0.1:{silent}", world.ca, *world.client, 0.2).ready()
    assert (caught.value.status, caught.value.because) == (0, "time-out")


def test_an_authority_that_the_client_does_not_trust(server, world, make_world):
    with pytest.raises(ServiceError) as caught:
        Kes(server.address, make_world().ca, *world.client, 5).ready()
    assert (caught.value.status, "certificate is refused" in caught.value.because) == (0, True)


def test_an_authority_that_the_server_does_not_trust(server, world, make_world):
    with pytest.raises(ServiceError) as caught:
        Kes(server.address, world.ca, *make_world().client, 5).ready()
    assert (caught.value.status, "UNKNOWN_CA" in caught.value.because) == (0, True)


def test_proxies_of_the_environment_are_not_used(server, world, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    server.answers["GET", "/v1/ready"] = (200, b"")
    client(server, world).ready()
