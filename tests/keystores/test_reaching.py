"""A KMS that others run: reached over TLS that holds, or told why not."""

from __future__ import annotations

import http.server
import threading

import pytest

from kesdeploy.errors import CertificateError, ServiceError, UsageError
from kesdeploy.keystores.reaching import answers, authority, refuse_loopback


@pytest.mark.parametrize(
    "address", ["https://127.0.0.1:1", "https://localhost", "https://[::1]:8200", "https://a.localhost"]
)
def test_the_pods_own_loopback_is_refused(address):
    with pytest.raises(UsageError) as raised:
        refuse_loopback(address, "keystore.x.address")
    assert "pod itself" in raised.value.because
    assert "keystore.x.address" in raised.value.hint


def test_other_addresses_are_not():
    refuse_loopback("https://10.0.0.5:8200", "x")
    refuse_loopback("https://kms.example.org", "x")


def test_no_authority_is_the_public_ones():
    assert authority(None, "x") is None


@pytest.mark.parametrize("text", [None, "", "no pem", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"])
def test_an_authority_that_kes_would_skip_is_refused(tmp_path, text):
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CertificateError) as raised:
        authority(str(file), "keystore.x.ca")
    assert str(file) in raised.value.because
    assert "keystore.x.ca" in raised.value.hint


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr("kesdeploy.keystores.reaching.refuse_loopback", lambda *_: None)
    with pytest.raises(ServiceError) as raised:
        answers("https://127.0.0.1:1", "the KMS", "keystore.x.endpoint", timeout=2)
    assert raised.value.status == 0
    assert raised.value.because == "connection refused"
    assert "keystore.x.endpoint" in raised.value.hint


def test_a_server_without_tls(monkeypatch):
    monkeypatch.setattr("kesdeploy.keystores.reaching.refuse_loopback", lambda *_: None)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    try:
        with pytest.raises(ServiceError) as raised:
            answers(f"https://127.0.0.1:{server.server_port}", "the KMS", "keystore.x.endpoint", timeout=2)
    finally:
        server.shutdown()
        server.server_close()
    assert "does not speak TLS" in raised.value.hint
