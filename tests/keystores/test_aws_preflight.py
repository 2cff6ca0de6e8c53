"""AWS asked before anything starts: a Secrets Manager that checks signatures and rights, over HTTPS."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from aws_server import REGION, AwsServer, Key, policy
from bao import NOW, Told, free_port

from kesdeploy import pki
from kesdeploy.errors import ServiceError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS, Work
from kesdeploy.keystores.aws import Aws
from kesdeploy.spec import load

pytest.importorskip("moto.server", reason="no moto: pip install 'kesdeploy[dev-clouds]'")
AWS = Aws()
KEY = "minio-demo-3f9a1c"


def spec_of(fields: str, key: str = KEY):
    return load(f"name: demo\nkey_name: {key}\nkeystore: {{aws: {{{fields}}}}}", {}, FIELDS)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = AwsServer(tmp_path_factory.mktemp("aws"), "127.0.0.1", free_port())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def aws(server):
    """With somebody who may do what is granted to KES, and somebody who may not."""
    granted = json.loads(AWS.policy(spec_of(f"region: {REGION}")))
    for statement in granted["Statement"]:
        statement["Resource"] = "*"
    server.kes = server.user("kes", granted)
    server.nobody = server.user("nobody", policy("s3:ListAllMyBuckets"))
    return server


@pytest.fixture(autouse=True)
def _reachable(monkeypatch):
    # From a container it would not be; that refusal has a test of its own.
    monkeypatch.setattr("kesdeploy.keystores.reaching.refuse_loopback", lambda *_: None)


@pytest.fixture
def user(aws, tmp_path, monkeypatch):
    return User(aws, tmp_path, monkeypatch)


class User:
    """Somebody with an access key, and his own AWS settings in the environment."""

    def __init__(self, aws, folder, monkeypatch) -> None:
        self.aws, self.environment, self.told = aws, monkeypatch, Told()
        self.home = Home("demo", folder / "minio-kes-demo")
        self.home.prepare()
        self.ca = str(aws.ca)

    def work(self, key: Key | None, *, endpoint: str = "", key_name: str = KEY) -> Work:
        credentials = "null"
        if key:
            names = {
                "accesskey": "AWS_ACCESS_KEY_ID",
                "secretkey": "AWS_SECRET_ACCESS_KEY",
                "token": "AWS_SESSION_TOKEN",
            }
            for name, value in key.environment.items():
                self.environment.setenv(name, value)
            credentials = ", ".join(f"{field}: 'env:{name}'" for field, name in names.items() if key.environment[name])
            credentials = f"{{{credentials}}}"
        fields = (
            f"region: {REGION}, endpoint: '{endpoint or self.aws.endpoint}', ca: {self.ca}, credentials: {credentials}"
        )
        text = f"name: demo\nkey_name: {key_name}\nkeystore: {{aws: {{{fields}}}}}"
        return Work(load(text, {}, FIELDS), self.home, NOW, self.told, timeout=5)

    def refused(self, key: Key | None, **options) -> ServiceError:
        with pytest.raises(ServiceError) as found:
            AWS.preflight(self.work(key, **options))
        return found.value


def test_good_credentials_pass_and_nothing_is_made(user):
    AWS.preflight(user.work(user.aws.kes))
    assert user.told.warnings == []
    assert KEY not in user.aws.names
    assert AWS.state(user.work(user.aws.kes)) == "ok"


def test_a_key_that_is_there_is_not_fetched(user):
    user.aws.secrets.create_secret(Name="minio-demo-there", SecretString="key material")
    AWS.preflight(user.work(user.aws.kes, key_name="minio-demo-there"))
    seen = user.aws.secrets.describe_secret(SecretId="minio-demo-there")
    assert "LastAccessedDate" not in seen, "the secret was read"


def test_a_secret_key_that_is_wrong(user):
    error = user.refused(Key(user.aws.kes.id, "w" * 40))
    assert error.status == 401
    assert "SignatureDoesNotMatch" in error.because
    assert "keystore.aws.credentials.secretkey" in error.hint
    assert "wwww" not in str(error.problems)
    assert AWS.state(user.work(Key(user.aws.kes.id, "w" * 40))) == "DENIED"


def test_an_access_key_that_nobody_knows(user):
    error = user.refused(Key("AKIAIOSFODNN7EXAMPLE", "s"))
    assert error.status == 401
    assert error.because == "InvalidClientTokenId: The security token included in the request is invalid."
    assert "keystore.aws.credentials.accesskey" in error.hint


def test_a_user_without_rights_is_shown_what_to_grant(user):
    error = user.refused(user.aws.nobody)
    assert error.status == 403
    assert "user/nobody is not authorized to perform: secretsmanager:GetSecretValue" in error.because
    assert f"kesdeploy policy aws -n demo --set keystore.aws.region={REGION} --set key_name={KEY}" in error.hint
    assert AWS.state(user.work(user.aws.nobody)) == "DENIED"


def test_temporary_keys_pass_with_a_warning(user):
    key = user.aws.temporary()
    AWS.preflight(user.work(key))
    assert "session token ends" in user.told.warnings[0]
    assert user.refused(Key(key.id, key.secret, "another")).status == 401


def test_the_users_own_settings_do_not_count(user):
    """KES's container has none of them: a proof by them would be none."""
    work = user.work(user.aws.kes)
    settings = {
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_CA_BUNDLE": "/nowhere",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
    }
    for name, value in settings.items():
        user.environment.setenv(name, value)
    AWS.preflight(work)
    assert user.refused(user.aws.nobody).status == 403


def test_without_credentials_only_the_way_is_proven(user):
    user.environment.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    AWS.preflight(user.work(None))
    assert "finds in its container" in user.told.notes[0]
    assert AWS.state(user.work(None)) == "ok"


def test_without_the_library_a_warning_says_what_is_not_proven(user):
    user.environment.setattr("importlib.util.find_spec", lambda name, *_: None)
    AWS.preflight(user.work(Key("AKIAIOSFODNN7EXAMPLE", "wrong")))
    assert "pip install 'kesdeploy[aws]'" in user.told.warnings[0]


def test_another_ca(user, tmp_path):
    (tmp_path / "other.pem").write_bytes(pki.Authority.create("stranger", NOW).cert_pem)
    user.ca = str(tmp_path / "other.pem")
    error = user.refused(user.aws.kes)
    assert error.status == 0
    assert "certificate" in error.because
    assert "keystore.aws.ca" in error.hint
    assert AWS.state(user.work(user.aws.kes)) == "UNREACHABLE"


def test_the_public_authorities_do_not_vouch_for_it(user):
    user.ca = "null"
    assert "certificate is refused" in user.refused(user.aws.kes).because


def test_nobody_there(user):
    error = user.refused(user.aws.kes, endpoint=f"127.0.0.1:{free_port()}")
    assert (error.status, error.because) == (0, "connection refused")
    assert "keystore.aws.endpoint" in error.hint


def test_a_server_that_is_no_secrets_manager(user):
    """It answers, over TLS that holds, and refuses in words of its own."""
    error = user.refused(user.aws.kes, endpoint=f"localhost:{_other(user.aws)}")
    assert "is localhost" in error.hint
    assert error.status == 400


def _other(aws) -> int:
    import ssl

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(418, "I'm a teapot")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(aws.folder / "aws.crt", aws.folder / "aws.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server.server_port


@pytest.mark.parametrize("kms", ["null", f"arn:aws:kms:{REGION}:111122223333:key/0-1", "alias/minio"])
def test_iam_takes_the_policy(user, kms):
    """moto checks its grammar."""
    text = AWS.policy(spec_of(f"region: {REGION}, kmskey: '{kms}'" if kms != "null" else f"region: {REGION}"))
    name = f"with-{kms.rpartition('/')[2]}"
    made = user.aws.client("iam", user.aws.admin).create_policy(PolicyName=name, PolicyDocument=text)
    assert made["Policy"]["PolicyName"] == name
