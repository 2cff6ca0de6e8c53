"""The door itself: who is let in, and the certificate that a server really shows."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest

from kesdeploy.clients import Answer, Door, message, served_certificate
from kesdeploy.errors import ServiceError
from kesdeploy.pki import describe


def test_a_client_without_a_certificate_is_told_of_the_alert(serve, world):
    with pytest.raises(ServiceError) as caught:
        Door(serve(demands_client=True).address, ca=world.ca).ask("GET", "/version")
    assert (caught.value.status, "CERTIFICATE_REQUIRED" in caught.value.because) == (0, True), caught.value.because


def test_an_expired_certificate_is_refused_with_the_reason(serve, make_world):
    old = make_world(datetime.now(UTC) - timedelta(days=500))
    with pytest.raises(ServiceError) as caught:
        Door(serve(old).address, ca=old.ca).ask("GET", "/")
    assert "expired" in caught.value.because


def test_another_name_is_refused_with_the_reason(serve, make_world):
    elsewhere = make_world(names=("elsewhere.example",))
    with pytest.raises(ServiceError) as caught:
        Door(serve(elsewhere).address, ca=elsewhere.ca).ask("GET", "/")
    assert "mismatch" in caught.value.because


def test_a_redirect_is_not_followed(serve, world):
    server = serve()
    server.answers["GET", "/v1/key/list"] = (301, b"")
    server.headers["Location"] = "/elsewhere"
    assert Door(server.address, ca=world.ca).ask("GET", "/v1/key/list").status == 301
    assert [asked.path for asked in server.asked] == ["/v1/key/list"]


def test_plain_http(serve):
    server = serve(tls=False)
    server.answers["GET", "/minio/health/live"] = (200, b"")
    assert Door(server.address, ca=None).ask("GET", "/minio/health/live").status == 200


@pytest.mark.parametrize("shows_a_pair", [True, False])
def test_the_served_certificate_where_a_client_certificate_is_demanded(serve, world, shows_a_pair):
    server = serve(demands_client=True)
    client = world.client if shows_a_pair else None
    served = served_certificate("127.0.0.1", server.port, timeout=5, client=client)
    assert describe(served) == describe(world.file("server.crt").read_bytes())


def test_the_served_certificate_even_when_it_expired(serve, make_world):
    old = make_world(datetime.now(UTC) - timedelta(days=500))
    served = describe(served_certificate("127.0.0.1", serve(old).port, timeout=5))
    assert served.days_left(datetime.now(UTC)) < 0


def test_no_certificate_where_nothing_listens(silent):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for where, words in ((port, "refused"), (silent, "time-out")):
        with pytest.raises(ServiceError) as caught:
            served_certificate("127.0.0.1", where, timeout=0.2)
        assert (caught.value.status, words in caught.value.because) == (0, True), caught.value.because


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"message":"key does not exist"}', "key does not exist"),
        ('{"errors":["a","b"]}', "a; b"),
        ('{"Code":"XMinio","Message":"no"}', "XMinio: no"),
        ('{"error":"Box not found"}', "Box not found"),
        ('{"error":{"code":"Forbidden","message":"no access"}}', "no access"),
        ('{"code":5,"codeDesc":"NCERRUnauthorizedAccess"}', "NCERRUnauthorizedAccess"),
        ('{"code":5,"codeDesc":"NCERRUnauthorizedAccess","message":"Wrong password."}', "Wrong password."),
        ("plain text\n", "plain text"),
        ('{"errors":[{}]}', '{"errors":[{}]}'),
        ('{"x":1}', "HTTP 418"),
        ("", "HTTP 418"),
    ],
)
def test_the_servers_own_words(body, words):
    assert message(Answer(418, {}, body.encode())) == words
