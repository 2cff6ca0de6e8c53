"""What the Vault client says when nothing useful listens; no OpenBao needed."""

from __future__ import annotations

import socket

import pytest

from kesdeploy.clients.vault import Vault
from kesdeploy.errors import ServiceError


def test_nothing_listens(world):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ServiceError) as caught:
        Vault(f"https://127.0.0.1:{port}", ca=world.ca).health()
    assert (caught.value.status, "refused" in caught.value.because) == (0, True), caught.value.because


def test_something_listens_and_says_nothing(silent, world):
    with pytest.raises(ServiceError) as caught:
        Vault(f"https://127.0.0.1:{silent}", ca=world.ca, timeout=0.2).health()
    assert caught.value.status == 0
    assert "time" in caught.value.because


def test_an_answer_that_is_no_json(serve, world):
    server = serve()
    server.answers["GET", "/v1/sys/health"] = (200, b"<html>a proxy's page</html>")
    with pytest.raises(ServiceError, match="not JSON"):
        Vault(server.address, ca=world.ca).health()


def test_an_error_page_of_a_proxy_keeps_its_words(serve, world):
    server = serve()
    server.answers["GET", "/v1/sys/health"] = (502, b"upstream is gone")
    with pytest.raises(ServiceError) as caught:
        Vault(server.address, ca=world.ca).health()
    assert (caught.value.status, caught.value.because) == (502, "upstream is gone")


def test_a_missing_ca_file_is_named(serve, world, tmp_path):
    with pytest.raises(ServiceError) as caught:
        Vault(serve().address, ca=tmp_path / "none.crt").health()
    assert "none.crt" in caught.value.because
