"""What AWS adds to a deployment, and every mistake that is seen without it. Pure: no server."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
import yaml
from bao import NOW, Told

from kesdeploy import filled, kes_config, topology
from kesdeploy.clients import Answer
from kesdeploy.errors import SpecError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS, Pick, Site, Work
from kesdeploy.keystores.aws import Aws
from kesdeploy.keystores.aws.secretsmanager import Place, Refusal, refused, translated
from kesdeploy.spec import load

AWS = Aws()
SITE = Site("/root", "1000:1000", {name: Pick(f"{name}:1", (name,)) for name in ("kes", "minio")})
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
KEYS = "credentials: {accesskey: 'env:AWS_ACCESS_KEY_ID', secretkey: '@/secret'}"
KINDS = {
    "machine": "region: eu-central-1",
    "keys": f"region: eu-central-1, {KEYS}",
    "all": f"region: cn-north-1, endpoint: 'https://vpce-1.secretsmanager.cn-north-1.vpce.amazonaws.com.cn:443/', "
    f"kmskey: '{ARN.replace('aws:', 'aws-cn:').replace('eu-central-1', 'cn-north-1')}', ca: /ca.pem, "
    "credentials: {accesskey: 'env:A', secretkey: 'env:B', token: 'env:C'}",
}


def spec_of(fields: str, *, key: str = "minio-demo-3f9a1c", name: str = "demo"):
    return load(f"name: {name}\nkey_name: {key}\nkeystore: {{aws: {{{fields}}}}}\n", {}, FIELDS)


def bodies(fields: str):
    return {r.address: r for r in topology.desired(spec_of(fields), SITE)}


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_it_as_text(golden, kind):
    """KES's keystore section, what it is made from, and what KES's container is told."""
    found = bodies(KINDS[kind])
    config, container = found["file/kes-config"], found["container/kes-server"].body
    section = filled.outline(config.body).partition("keystore:\n")[2]
    own = [f"{address} from {r.body.source}" for address, r in found.items() if address.startswith("secret/aws")]
    environment = [f"{name}={value}" for name, value in container.environment.items() if "proxy" not in name.lower()]
    golden(f"keystores/aws-{kind}.txt", f"{section}== secrets\n{_lines(own)}== environment\n{_lines(environment)}")


def _lines(texts: list[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


@pytest.mark.parametrize("kind", KINDS)
def test_kes_would_take_it(kind):
    body = bodies(KINDS[kind])["file/kes-config"].body
    text = filled._rendered(body, lambda ref: sha256(ref.name.encode()).hexdigest())
    kes_config.check(text)
    section = yaml.safe_load(text)["keystore"]["aws"]["secretsmanager"]
    # With one of them empty KES would use what it finds, or nothing.
    assert set(section.get("credentials", {})) in (
        set(),
        {"accesskey", "secretkey"},
        {"accesskey", "secretkey", "token"},
    )


def test_no_secret_in_a_containers_environment():
    environment = bodies(KINDS["all"])["container/kes-server"].body.environment
    assert {name for name in environment if "proxy" not in name.lower()} == {"AWS_CA_BUNDLE", "SSL_CERT_FILE"}


def test_a_new_ca_restarts_kes_which_reads_it_once():
    container = bodies(KINDS["all"])["container/kes-server"].body
    assert "file/aws-ca" in container.uses
    assert "file/aws-ca" not in container.reloads
    assert "file/kes-config" in container.reloads


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "secretsmanager.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "secretsmanager.us-gov-west-1.amazonaws.com"),
        ("cn-northwest-1", "secretsmanager.cn-northwest-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "secretsmanager.eusc-de-east-1.amazonaws.eu"),
        ("us-isob-east-1", "secretsmanager.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_each_region_has_its_endpoint(region, host):
    assert spec_of(f"region: {region}").keystore.host == host


@pytest.mark.parametrize("typed", ["https://aws.lan:4566", "HTTPS://aws.lan:4566/", "aws.lan:4566"])
def test_an_endpoint_as_people_type_it(typed):
    assert spec_of(f"region: eu-central-1, endpoint: '{typed}'").keystore.host == "aws.lan:4566"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("region: eu-central-1a", "availability zone; its region is eu-central-1"),
        ("region: EU-CENTRAL-1", "written as in eu-central-1"),
        ("region: Europe (Frankfurt) eu-west-2", "written as in eu-west-2"),
        ("region: eu-central1", "written as in eu-central-1"),
        ("region: ''", "written as in"),
        ("region: 1", "string"),
        ("kmskey: alias/x", "keystore.aws.region: required"),
        ("region: eu-central-1, endpoint: 'http://aws.lan'", "HTTPS is needed"),
        ("region: eu-central-1, endpoint: 'aws.lan/path'", "a host is needed"),
        ("region: eu-central-1, endpoint: 'aws.lan:0'", "a host is needed"),
        ("region: eu-central-1, endpoint: 'aws.lan:70000'", "a host is needed"),
        ("region: eu-central-1, endpoint: '${HOST}'", "a host is needed"),
        ("region: eu-central-1, endpoint: ''", "a host is needed"),
        ("region: eu-central-1, endpoint: 'https://u:p@aws.lan'", "a host is needed"),
        ("region: eu-central-1, endpoint: kms.eu-central-1.amazonaws.com", "another service of AWS"),
        ("region: eu-central-1, endpoint: secretsmanager.us-east-1.amazonaws.com", "it is in us-east-1"),
        (f"region: us-east-1, kmskey: '{ARN}'", "kmskey: it is in eu-central-1, and region is us-east-1"),
        ("region: eu-central-1, kmskey: minio", "alias/minio"),
        ("region: eu-central-1, kmskey: 'arn:aws:iam::111122223333:user/kes'", "a key of KMS is"),
        ("region: eu-central-1, ca: ca.pem", "absolute path"),
        ("region: eu-central-1, credentials: {accesskey: AKIAIOSFODNN7EXAMPLE}", "does not belong in a spec"),
        ("region: eu-central-1, credentials: AKIAIOSFODNN7EXAMPLE", "a mapping is needed"),
        ("region: eu-central-1, credentials: {access_key: 'env:A'}", "did you mean 'accesskey'"),
        ("reigon: eu-central-1", "did you mean 'region'"),
    ],
)
def test_what_is_wrong_is_said(fields, complaint):
    with pytest.raises(SpecError) as found:
        spec_of(fields)
    assert complaint in found.value.because
    assert "AKIAIOSFODNN7EXAMPLE" not in found.value.because


@pytest.mark.parametrize("key", [ARN, ARN.rpartition("/")[2], "alias/minio/keys", "mrk-" + "0a" * 16])
def test_a_kms_key_in_each_of_its_forms(key):
    assert spec_of(f"region: eu-central-1, kmskey: '{key}'").keystore.kmskey == key


def test_the_policy(golden):
    parts = {
        "generated key": spec_of(KINDS["machine"]),
        "own key names, KMS key by its ARN": spec_of(f"region: eu-central-1, kmskey: '{ARN}'", key="team-key"),
        "KMS key by its id": spec_of("region: eu-central-1, kmskey: 1234abcd-12ab-34cd-56ef-1234567890ab"),
        "KMS key by its alias, in China": spec_of("region: cn-north-1, kmskey: alias/minio"),
    }
    golden("keystores/aws-policy.txt", "".join(f"== {name}\n{AWS.policy(spec)}" for name, spec in parts.items()))


def statements(spec):
    return {s["Sid"]: s for s in json.loads(AWS.policy(spec))["Statement"]}


def test_nobody_is_granted_to_delete():
    for fields in KINDS.values():
        assert "Delete" not in AWS.policy(spec_of(fields))


def test_kms_is_granted_only_with_a_key_of_ones_own():
    assert "kms:" not in AWS.policy(spec_of(KINDS["machine"]))
    granted = statements(spec_of(KINDS["all"]))["SecretsManagerUsesTheKmsKey"]
    assert granted["Resource"].startswith("arn:aws-cn:kms:cn-north-1:111122223333:key/")
    assert granted["Condition"]["StringEquals"]["kms:ViaService"] == [
        "secretsmanager.cn-north-1.amazonaws.com",
        "secretsmanager.cn-north-1.amazonaws.com.cn",
    ]


def test_the_keys_of_buckets_are_granted_too():
    text = "name: demo\nkey_name: k1\nkeystore: {aws: {region: eu-central-1}}\nminio: {buckets: [{name: abc, key: k2}]}"
    names = [
        arn.rpartition(":")[2] for arn in statements(load(text, {}, FIELDS))["KesCreatesAndReadsItsKeys"]["Resource"]
    ]
    # AWS adds '-' and six characters to a secret's ARN; one that is not there yet has none.
    assert names == ["k1", "k1-??????", "k2", "k2-??????"]


@pytest.fixture
def nothing_set(monkeypatch):
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_SECRETS_MANAGER"):
        monkeypatch.delenv(name, raising=False)


def asked(fields: str) -> list[str]:
    return [q.path.removeprefix("keystore.aws.") for q in AWS.questions(spec_of(fields).keystore)]


def test_questions(nothing_set, monkeypatch):
    base = ["region", "credentials"]
    assert asked("region: eu-central-1") == base
    assert asked("region: eu-central-1, credentials: keys") == [*base, "credentials.accesskey", "credentials.secretkey"]
    assert asked(KINDS["keys"]) == base
    assert asked("region: eu-central-1, endpoint: aws.lan") == ["region", "ca", "credentials"]
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "https://aws.lan")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    assert asked("region: eu-central-1") == ["region", "endpoint", "credentials"]
    assert "credentials.token" in asked("region: eu-central-1, credentials: {}")


def test_questions_while_nothing_is_known(nothing_set):
    fields = FIELDS["aws"].model_construct(region=None, endpoint=None, credentials="keys")
    assert [q.store for q in AWS.questions(fields) if q.secret] == [
        "aws-credentials-accesskey",
        "aws-credentials-secretkey",
    ]


def test_the_environment_only_proposes(nothing_set, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert spec_of("region: us-east-1").keystore.credentials is None
    proposed = {
        q.path.rpartition(".")[2]: q.environment
        for q in AWS.questions(spec_of("region: a-b-1, credentials: {}".replace("a-b", "us-east")).keystore)
    }
    assert proposed["region"] == ("AWS_REGION", "AWS_DEFAULT_REGION")
    assert proposed["accesskey"] == ("AWS_ACCESS_KEY_ID",)
    assert proposed["secretkey"] == ("AWS_SECRET_ACCESS_KEY",)


@pytest.mark.parametrize(
    ("access", "secret", "says"),
    [("ASIAIOSFODNN7EXAMPLE", "s", "session token is missing"), ("x", "AKIAIOSFODNN7EXAMPLE", "is an access key id")],
)
def test_keys_that_are_mixed_up(tmp_path, monkeypatch, access, secret, says):
    monkeypatch.setenv("A", access)
    monkeypatch.setenv("B", secret)
    spec = spec_of("region: eu-central-1, credentials: {accesskey: 'env:A', secretkey: 'env:B'}")
    with pytest.raises(UsageError, match=says) as raised:
        AWS.preflight(Work(spec, Home("demo", tmp_path), NOW, Told(), 1))
    assert "EXAMPLE" not in str(raised.value.problems)


PLACE = Place("secretsmanager.eu-central-1.amazonaws.com", "eu-central-1", None, 1)


@pytest.mark.parametrize(
    ("code", "words", "status", "says"),
    [
        (
            "AccessDeniedException",
            "User: arn:… is not authorized to perform: secretsmanager:GetSecretValue",
            403,
            "GRANT",
        ),
        ("UnrecognizedClientException", "The security token included in the request is invalid.", 401, ".accesskey"),
        ("InvalidSignatureException", "The request signature we calculated does not match", 401, ".secretkey"),
        ("InvalidSignatureException", "Signature expired: 20261121T010101Z is now earlier than …", 400, "timedatectl"),
        ("InvalidSignatureException", "Signature not yet current: 20261121T010101Z is still later", 400, "timedatectl"),
        ("InvalidSignatureException", "Credential should be scoped to a valid region.", 400, "keystore.aws.region"),
        ("ExpiredTokenException", "The security token included in the request is expired", 401, "do not end"),
        (
            "InvalidRequestException",
            "…because it was marked for deletion.",
            400,
            "restore-secret --region eu-central-1",
        ),
        ("ThrottlingException", "Rate exceeded", 503, "again in a minute"),
        ("UnknownOperationException", "", 400, "is secretsmanager.eu-central-1.amazonaws.com Secrets Manager"),
    ],
)
def test_what_aws_says_is_kept_and_explained(code, words, status, says):
    error = translated(Refusal(code, words), PLACE, "my-key", "GRANT")
    assert error.because == f"{code}: {words}"
    assert says in error.hint
    assert error.status == status


def test_what_repeats_the_request_is_cut_off():
    words = "The request signature we calculated does not match.\n\nThe Canonical String …\nx-amz-security-token:SECRET"
    body = json.dumps({"__type": "InvalidSignatureException", "message": words}).encode()
    assert refused(Answer(400, {}, body)) == Refusal("InvalidSignatureException", words.partition("\n")[0])


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b'{"__type":"com.amazon#AccessDeniedException","Message":"no"}', Refusal("AccessDeniedException", "no")),
        (b"<E><Code>AccessDenied</Code><Message>no</Message></E>", Refusal("AccessDenied", "no")),
        (b"<html>teapot</html>", Refusal("HTTP 418", "<html>teapot</html>")),
        (b"[1]", Refusal("HTTP 418", "[1]")),
        (b"", Refusal("HTTP 418", "")),
    ],
)
def test_a_refusal_in_each_of_its_forms(body, refusal):
    assert refused(Answer(418, {}, body)) == refusal
