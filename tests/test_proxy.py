"""KES behind a company's proxy: only when told, only KES, and only for what is outside of the deployment."""

from __future__ import annotations

import pytest
from core_fixtures import SITE, VAULT, spec_of
from tunnel import Tunnel

from kesdeploy import topology
from kesdeploy.clients import Door
from kesdeploy.errors import ServiceError, SpecError
from kesdeploy.keystores import reaching

AWS = "name: demo\nkeystore: {aws: {region: eu-central-1}}\n"
PROXY = "http://proxy.example.org:3128"


@pytest.fixture
def tunnel():
    made = Tunnel()
    yield made
    made.stop()


def environment(spec, address):
    return next(r.body.environment for r in topology.desired(spec, SITE) if r.address == address)


def test_kes_alone_gets_it_and_nothing_inside_goes_through(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://shell.example.org:1")
    spec = spec_of(AWS, kes__proxy=PROXY)
    kes = environment(spec, topology.KES)
    assert kes["HTTPS_PROXY"] == kes["https_proxy"] == PROXY
    assert "HTTP_PROXY" not in kes, "a cloud's own metadata is asked for without TLS, and nearby"
    assert set(kes["NO_PROXY"].split(",")) >= {"demo-minio-server", "demo-kes-server", "localhost", "127.0.0.1"}
    assert kes["NO_PROXY"] == kes["no_proxy"]
    minio = environment(spec, topology.MINIO)
    assert minio["NO_PROXY"] == "*"
    assert "HTTPS_PROXY" not in minio


def test_without_it_the_shells_proxy_is_nobodys(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    for address in (topology.KES, topology.MINIO):
        found = environment(spec_of(AWS), address)
        assert found["NO_PROXY"] == "*"
        assert "HTTPS_PROXY" not in found


def test_to_set_it_makes_kes_anew_and_nothing_else():
    before = {r.address: r.digest for r in topology.desired(spec_of(AWS), SITE)}
    after = {r.address: r.digest for r in topology.desired(spec_of(AWS, kes__proxy=PROXY), SITE)}
    assert {address for address in before if before[address] != after[address]} == {topology.KES}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("proxy.example.org:3128", "http://HOST:PORT"),
        ("socks5://proxy.example.org:1080", "http://HOST:PORT"),
        ("http://proxy.example.org:3128/pac", "http://HOST:PORT"),
        ("http://proxy.example.org", "port is missing"),
        ("http://proxy.example.org:port", "ort"),
        ("http://127.0.0.1:3128", "the pod itself"),
        ("http://localhost:3128", "the pod itself"),
        ("http://me:hunter2@proxy.example.org:3128", "login"),
    ],
)
def test_what_is_no_proxy_that_kes_could_use(value, says):
    with pytest.raises(SpecError) as found:
        spec_of(AWS, kes__proxy=value)
    (problem,) = found.value.found
    assert problem.message.startswith("kes.proxy: ")
    assert says in problem.message
    assert "hunter2" not in problem.message


@pytest.mark.parametrize(
    "text", ["name: a\nkeystore: {fs: {}}\n", VAULT, "name: a\nkeystore: {kes: {endpoints: ['https://kes:7373']}}\n"]
)
def test_where_no_kes_of_ours_goes_out_it_is_refused(text):
    with pytest.raises(SpecError) as found:
        spec_of(text, kes__proxy=PROXY)
    assert any("kes.proxy: no KES of ours" in problem.message for problem in found.value.found)
    assert spec_of("name: a\nkeystore: {vault: {address: 'https://v:8200'}}\n", kes__proxy=PROXY).kes.proxy == PROXY


def test_a_door_goes_through_it_and_says_when_it_refuses(tunnel):
    with pytest.raises(ServiceError) as found:
        Door("https://127.0.0.1:9", ca=None, timeout=5, proxy=tunnel.url).ask("GET", "/")
    assert found.value.status == 0
    refusing = Tunnel(refuses="kms.example.org:443")
    with pytest.raises(ServiceError) as found:
        Door("https://kms.example.org", ca=None, timeout=5, proxy=refusing.url).ask("GET", "/")
    refusing.stop()
    assert "403 Forbidden" in found.value.because
    assert (tunnel.asked, refusing.asked) == (["127.0.0.1:9"], ["kms.example.org:443"])


def test_a_kms_out_of_reach_points_to_the_shells_proxy(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert reaching.unused_proxy(None).endswith("--set kes.proxy=$HTTPS_PROXY")
    assert PROXY in reaching.unused_proxy(PROXY)
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.delenv("https_proxy", raising=False)
    assert reaching.unused_proxy(None) == ""
