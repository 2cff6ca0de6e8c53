"""The spec's `kes`: every mistake of a user has its own words, and its path."""

from __future__ import annotations

import pytest
from test_spec import LEAST, problems, spec

ONE, OTHER = "a" * 64, "b" * 64
API_KEY = "kes:v1:AGaV6VXHasF0FnaB60WdCOeTZ8eTIDikL4zlN16c8NAs"


def kes(text: str) -> list[str]:
    """What is wrong with a `kes` section in flow style."""
    return problems(f"{LEAST}kes: {{{text}}}\n")


def policy(text: str) -> list[str]:
    return kes(f"policies: {{app: {{{text}}}}}")


def test_what_holds_when_nothing_is_said():
    section = spec().kes
    assert (section.auth, section.admin, section.key_prefix, section.policies, section.api) == (
        "api-key",
        "disabled",
        "",
        {},
        {},
    )


# --- identities


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (ONE.upper(), f"KES compares the text, so it has to be lower case: {ONE}"),
        (API_KEY, "this is an API key, and secret; an identity is what KES computes from it"),
        ("/home/me/admin.crt", "this is a file's name; write @FILE"),
        ("admin.pem", "this is a file's name; write @FILE"),
        ("-----BEGIN CERTIFICATE-----", "this is a certificate or key; put it into a file and write @FILE"),
        ("Disabled", "write disabled in lower case"),
        ("admin", "an identity is 64 lower-case hexadecimal digits, or @FILE"),
        (ONE[:-1], "an identity is 64 lower-case hexadecimal digits, or @FILE"),
        ("", "an identity is 64 lower-case hexadecimal digits, or @FILE"),
    ],
)
def test_what_is_no_identity(given, told):
    (admin,) = kes(f"admin: '{given}'")
    assert admin.startswith(f"kes.admin: {told}")
    (of_policy,) = policy(f"identities: ['{ONE}', '{given}']")
    assert of_policy.startswith(f"kes.policies.app.identities.1: {told}")


@pytest.mark.parametrize("secret", [API_KEY, "hunter2-hunter2", "-----BEGIN PRIVATE KEY-----hunter2"])
def test_what_may_be_a_secret_is_not_repeated(secret):
    found = " ".join([*kes(f"admin: '{secret}'"), *policy(f"identities: ['{secret}']")])
    assert "hunter2" not in found
    assert API_KEY[7:] not in found


def test_an_identity_has_one_policy_and_no_more():
    told = "this identity stands in {} already; KES gives each identity one policy"
    assert policy(f"identities: [{ONE}, {ONE}]") == [
        "kes.policies.app.identities.1: " + told.format("kes.policies.app.identities.0")
    ]
    assert kes(f"admin: {ONE}, policies: {{app: {{identities: [{OTHER}, {ONE}]}}}}") == [
        "kes.policies.app.identities.1: " + told.format("kes.admin")
    ]
    both = f"policies: {{app: {{identities: [{ONE}]}}, web: {{identities: [{ONE}]}}}}"
    assert kes(both) == ["kes.policies.web.identities.0: " + told.format("kes.policies.app.identities.0")]


# --- policies


@pytest.mark.parametrize("name", ["minio", "operator"])
def test_our_own_policies_are_not_for_others(name):
    assert kes(f"policies: {{{name}: {{}}}}") == [
        f"kes.policies.{name}: this policy is kesdeploy's own; choose another name"
    ]


@pytest.mark.parametrize("name", ["-a", "a-", "_", "a b", "a/b", "a" * 81])
def test_names_of_policies(name):
    (found,) = kes(f"policies: {{'{name}': {{}}}}")
    assert found.startswith(f"kes.policies.{name}: a name is 1 to 80")


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        (
            "/v1/key/*/name",
            "nothing; name each operation: /v1/key/create/name, /v1/key/generate/name, /v1/key/decrypt/name, …",
        ),
        ("/v1/policy/*/app", "name each operation: /v1/policy/describe/app, /v1/policy/read/app, …"),
        ("/v1/key/create/app-?", "KES matches prefixes"),
        ("/v1/key/create", "did you mean '/v1/key/create*'?"),
        ("/v1/key/create/", "did you mean '/v1/key/create/*'?"),
        ("/v1/key/crate/app", "did you mean '/v1/key/create/'?"),
        ("/v1/ready/", "did you mean '/v1/ready'?"),
        ("v1/key/*", "did you mean '/v1/key/*'?"),
        ("/v1/key/create/my.key", "this would match nothing: a name is 1 to 80"),
        ("/key/create/app", "no request has such a path"),
        ("", "no request has such a path"),
    ],
)
@pytest.mark.parametrize("part", ["allow", "deny"])
def test_patterns_that_match_nothing(part, pattern, told):
    (found,) = policy(f"{part}: ['/v1/ready', '{pattern}']")
    assert found.startswith(f"kes.policies.app.{part}.1: ")
    assert told in found


def test_patterns_that_match():
    allow = ["/v1/key/*", "/v1/key/list/", "/v1/key/list/app", "/v1/key/generate/app-*", "/v1/ready", "*"]
    found = spec(kes__policies={"app": {"allow": allow, "deny": ["/v1/key/delete/*"], "identities": [ONE]}})
    assert found.kes.policies["app"].allow == tuple(allow)


# --- the prefix


def test_a_prefix_gives_the_default_key_its_name():
    assert spec(kes__key_prefix="team-").key_name == "team-default-key"
    assert spec(kes__key_prefix="team").key_name == "team-default-key"
    assert spec("key_name: team-x\n", kes__key_prefix="team-").key_name == "team-x"


def test_it_stays_what_it_was_when_the_spec_is_written_and_read():
    found = spec(kes__key_prefix="team-")
    assert found.document()["key_name"] == "team-default-key"


def test_every_key_begins_with_the_prefix():
    text = "key_name: photos\nminio: {buckets: [{name: own, key: team-own}, {name: web, key: web}]}\n"
    told = "does not begin with 'team-' (kes.key_prefix): MinIO may not use it"
    assert problems(f"{LEAST}{text}kes: {{key_prefix: team-}}\n") == [
        f"key_name: 'photos' {told}",
        f"minio.buckets.1.key: 'web' {told}",
    ]


@pytest.mark.parametrize("prefix", ["-a", "a.b", "a/", "env-", "a" * 33, "a*"])
def test_prefixes_that_no_key_can_have(prefix):
    found = kes(f"key_prefix: '{prefix}'")
    assert any(message.startswith("kes.key_prefix: ") for message in found)


# --- routes


def test_what_may_be_open():
    section = spec(kes__api={"/v1/ready": {"skip_auth": True}, "/v1/key/create/": {"timeout": "30s"}}).kes
    assert section.api["/v1/ready"].skip_auth
    assert section.api["/v1/key/create/"].timeout == "30s"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/v1/key/decrypt/: {skip_auth: true}", "/v1/key/decrypt/.skip_auth: anybody could use it"),
        ("/version: {skip_auth: true}", "/version.skip_auth: KES tells its version to anybody already"),
        ("/v1/key/create: {timeout: 5s}", "/v1/key/create: not a path of KES's API"),
        ("/v1/redy: {timeout: 5s}", "/v1/redy: not a path of KES's API"),
        ("/v1/ready: {timeout: 0s}", "/v1/ready.timeout: 0s is KES's own time-out, and none cannot be had"),
        ("/v1/ready: {timeout: 15}", "/v1/ready.timeout: a duration needs a unit"),
        ("/v1/ready: {skip_auth: 'on'}", "/v1/ready.skip_auth: true or false is needed here"),
        ("/v1/ready: {skip-auth: true}", "/v1/ready.skip-auth: unknown key; did you mean 'skip_auth'?"),
    ],
)
def test_what_may_not(text, told):
    (found,) = kes(f"api: {{{text}}}")
    assert found.startswith(f"kes.api.{told}")


def test_a_path_that_is_nearly_right_is_proposed():
    (found,) = kes("api: {/v1/key/create: {timeout: 5s}}")
    assert found.endswith("did you mean '/v1/key/create/'?")


# --- what people know from elsewhere


@pytest.mark.parametrize("where", ["enclave: a", "kes: {enclave: a}", "minio: {enclave: a}"])
def test_enclaves_are_refused_with_the_reason(where):
    (found,) = problems(f"{LEAST}{where}\n")
    assert "enclave: unknown key: KES has no enclaves" in found
    assert "kes.key_prefix" in found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("keys: [{name: a}]", "kes.keys: unknown key: KES reads it and creates none; kesdeploy creates key_name"),
        ("root: abc", "kes.root: unknown key: KES calls it admin.identity since 2021"),
        ("policy: {}", "kes.policy: unknown key; did you mean 'policies'?"),
        ("auth: on", "kes.auth: Input should be 'api-key' or 'certificate' (given: 'on')"),
    ],
)
def test_names_of_kes_itself(text, told):
    (found,) = kes(text)
    assert found.startswith(told)
