"""What works, and what the user should have meant."""

from __future__ import annotations

import pytest
from core_fixtures import spec_of

from kesdeploy.cautions import cautions

KEY = "minio-backend-default-key"


def of(**kes) -> tuple[str, ...]:
    return cautions(spec_of(**{f"kes__{name}": value for name, value in kes.items()}))


def app(*allow: str, deny: tuple[str, ...] = ()) -> tuple[str, ...]:
    return of(policies={"app": {"allow": list(allow), "deny": list(deny)}})


def test_nothing_to_say():
    assert cautions(spec_of()) == ()
    assert app("/v1/key/generate/*", "/v1/key/decrypt/app-*", "/v1/key/create/app-*", "/v1/key/delete/app-*") == ()


@pytest.mark.parametrize(
    ("pattern", "verbs"),
    [
        ("/v1/key/*", "delete, import, create"),
        ("/v1/key/delete/*", "delete"),
        (f"/v1/key/import/{KEY}", "import"),
        ("/v1/key/create/minio-*", "create"),
        ("*", "delete, import, create"),
    ],
)
def test_who_may_make_the_data_unreadable(pattern, verbs):
    (found,) = app(pattern)
    assert found.startswith(f"kes.policies.app may {verbs} the key {KEY!r}")
    denied = found.rpartition("deny: [")[2].partition("]")[0].split(", ")
    assert not any(" may " in text for text in app(pattern, deny=tuple(denied)))


def test_keys_of_buckets_too():
    spec = spec_of(
        minio__buckets=[{"name": "photos", "key": "photos"}],
        kes__policies={"app": {"allow": ["/v1/key/delete/photos*"]}},
    )
    (found,) = cautions(spec)
    assert "'photos'" in found


def test_what_is_allowed_and_denied():
    (found,) = app("/v1/ready", "/v1/key/generate/app-1", deny=("/v1/key/generate/app-*",))
    assert found == "kes.policies.app.allow.1 allows nothing: deny goes first, and has /v1/key/generate/app-*"
    assert app("/v1/key/generate/*", deny=("/v1/key/generate/app-*",)) == ()


def test_open_routes_change_how_kes_greets_everybody():
    (found,) = of(api={"/v1/ready": {"skip_auth": True}, "/v1/status": {"timeout": "5s"}})
    assert found.startswith("KES answers /v1/ready to anybody who reaches it")


def test_clients_without_a_certificate_of_ours():
    policies = {"app": {"allow": ["/v1/ready"], "identities": ["a" * 64]}}
    assert of(auth="certificate") == ()
    assert of(policies=policies) == ()
    (found,) = of(auth="certificate", policies=policies)
    assert "kes.policies.app.identities.0" in found
