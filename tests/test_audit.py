"""KES's lines as events: the very lines of KES 2025-03-12."""

from __future__ import annotations

import pytest

from kesdeploy.audit import events, people

ME, OTHER = "1" * 64, "2" * 64
REQUEST = "req.method=PUT req.path=/v1/key/{}/k1 req.ip=127.0.0.1 req.identity=" + ME
DUMP = (
    'req="&{{Method:{} URL:{} Proto:HTTP/2.0 ProtoMajor:2 Header:map[Accept:[*/*]] Host:127.0.0.1:7373 Trailer:map[] '
    'RemoteAddr:127.0.0.1:33046 RequestURI:/v1/key/create/k1 TLS:0x20f28b360a80}}"'
)


def event(text: str):
    found = list(events([{"time": "2026-01-01T00:00:00Z", "text": f"time=2026-01-01T00:00:00Z {text}"}], {ME: "minio"}))
    return {name: found[0][name] for name in ("who", "operation", "key", "result", "peer")} if found else None


def told(who: str, operation: str, key: str, result: str, peer: str = "127.0.0.1"):
    return {"who": who, "operation": operation, "key": key, "result": result, "peer": peer}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (f"level=INFO msg=\"secret key 'k1' created\" {REQUEST.format('create')} res.code=200 res.time=19.034968ms",
         told("minio", "create", "k1", "ok")),
        (f"level=INFO msg=\"secret key 'k1' deleted\" {REQUEST.format('delete')} res.code=200 res.time=346.425µs",
         told("minio", "delete", "k1", "ok")),
        (f"level=INFO msg=\"x\" {REQUEST.format('import')} res.code=400 res.time=1ms",
         told("minio", "import", "k1", "HTTP 400")),
        (f"level=ERROR msg=\"vault: failed \\\"x\\\"\" {REQUEST.format('create')}",
         told("minio", "create", "k1", "failed")),
        (f"level=DEBUG msg=\"access denied: identity not found\" {DUMP.format('GET', '/v1/status')}",
         told("nobody that KES knows", "status", "", "denied", "127.0.0.1:33046")),
        (f"level=DEBUG msg=\"access denied: rejected by policy 'photos'\" {DUMP.format('PUT', '/v1/key/generate/p-1')}",
         told("photos (by its policy)", "generate", "p-1", "denied", "127.0.0.1:33046")),
        (f"level=DEBUG msg=\"tls: client certificate is required\" {DUMP.format('GET', '/v1/identity/list/*')}",
         told("nobody that KES knows", "identity list *", "", "denied", "127.0.0.1:33046")),
        ('level=INFO msg="http: TLS handshake error from 127.0.0.1:33070: EOF"', None),
        ("=> Server is up and running...", None),
        (f"level=WARN msg=\"kes: keystore unreachable\" {REQUEST.format('create')}", None),
    ],
)  # fmt: skip
def test_a_line_of_kes(line, wanted):
    assert event(line) == wanted


def test_who_is_not_known_is_told_by_the_beginning_of_the_identity():
    line = f'level=INFO msg="x" {REQUEST.format("create").replace(ME, OTHER)} res.code=200 res.time=1ms'
    assert event(line)["who"] == "222222222222…"


class Folder:
    """Of a deployment: what is in KES's configuration, and who we once were."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, path: str) -> bytes | None:
        return self.text.encode() if path == "config/kes/kes-config.yaml" else None

    def read_secret(self, _: str) -> str:
        return f"{ME}\n{OTHER}\n"


def test_names_come_from_the_configuration_that_kes_has():
    text = f"admin: {{identity: {'3' * 64}}}\npolicy: {{minio: {{allow: [/v1/*], identities: [{ME}]}}, none: {{}}}}\n"
    assert people(Folder(text)) == {ME: "minio", OTHER: "one of ours, renewed since", "3" * 64: "admin"}


@pytest.mark.parametrize("text", ["", "a: [", "policy:\n"])
def test_a_configuration_that_is_gone_or_broken_leaves_what_we_know(text):
    assert people(Folder(text))[OTHER] == "one of ours, renewed since"
