"""Google Secret Manager: its fields and key file, what is rendered, and what is told of what Google refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import yaml
from bao import NOW, Told
from clouds.secret_manager import EMAIL, PROJECT, SecretManager, key_file, private_key
from clouds.server import StandIn, issue, redirect

from kesdeploy import filled, given, topology
from kesdeploy.errors import ServiceError, SpecError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS, KEYSTORES, Pick, Site, Work
from kesdeploy.keystores.gcp import keyfile
from kesdeploy.lacking import missing
from kesdeploy.spec import load

GCP = KEYSTORES["gcp"]
SITE = Site("/root", "1000:1000", {name: Pick(f"{name}:1", (name,)) for name in ("kes", "minio")})
BARE = f"project_id: {PROJECT}"
KINDS = {
    "credentials": f"{BARE}, credentials: '@/home/u/my keys/kes.json'",
    "machine": BARE,
    "all": f"{BARE}, credentials: /home/u/kes.json, ca: /ca.pem, "
    "scopes: ['https://www.googleapis.com/auth/cloud-platform']",
}


def spec_of(fields: str):
    return load(f"name: demo\nkeystore: {{gcp: {{{fields}}}}}\nkey_name: minio-demo-1f\n", {}, FIELDS)


# --- pure


@pytest.mark.parametrize("kind", KINDS)
def test_what_kes_is_given(golden, kind):
    spec = spec_of(KINDS[kind])
    there = {resource.address: resource for resource in topology.desired(spec, SITE)}
    config = there["file/kes-config"]
    section = filled.outline(config.body).partition("keystore:\n")[2]
    yaml.safe_load(section)
    environment = there["container/kes-server"].body.environment
    environment = {name: value for name, value in environment.items() if "proxy" not in name.lower()}
    mine = [f"# {address}: {there[address].body}" for address in sorted(there) if "gcp" in address]
    golden(
        f"keystores/gcp-{kind}.txt",
        "\n".join([*mine, f"# {environment}", f"# needs {' '.join(config.needs)}", section]),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_is_ready_to_paste(golden, kind):
    golden(f"keystores/gcp-{kind}-policy.txt", GCP.policy(spec_of(KINDS[kind])))


def test_the_policy_names_the_account_of_the_file(tmp_path):
    (tmp_path / "kes.json").write_text(json.dumps(key_file()))
    text = GCP.policy(spec_of(f"{BARE}, credentials: {tmp_path}/kes.json"))
    assert f"serviceAccount:{EMAIL}" in text
    assert "service-accounts create" not in text
    shell = shutil.which("sh")
    assert shell
    assert subprocess.run([shell, "-n"], input=text, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("", "keystore.gcp.project_id: required"),
        ("project_id: My Project", "a project's id is 6 to 30"),
        ("project_id: projects/hhaz-keys", "a project's id is 6 to 30"),
        ("project_id: '123456789012'", "not its number"),
        (f"{BARE}, endpoint: 'secretmanager.googleapis.com:443'", "endpoint: leave it out"),
        (f"{BARE}, credentials: {{client_email: x, private_key: secret-words}}", "name the service account's key file"),
        (f'{BARE}, credentials: \'{{"private_key": "secret-words"}}\'', "name the service account's key file"),
        (f"{BARE}, credentials: '-----BEGIN PRIVATE KEY-----secret-words'", "name the service account's key file"),
        (f"{BARE}, credentials: kes.json", "by an absolute path"),
        (f"{BARE}, credentials: 'env:9'", "@FILE or env:NAME"),
        (f"{BARE}, scopes: [cloud-platform]", "a scope begins with https://www.googleapis.com/auth/"),
        (f"{BARE}, project: x", "unknown key"),
    ],
)
def test_what_is_wrong_is_said(fields, complaint):
    with pytest.raises(SpecError) as caught:
        spec_of(fields)
    assert complaint in caught.value.because
    assert "secret-words" not in str(caught.value.problems)


def test_a_path_alone_is_the_file():
    assert spec_of(f"{BARE}, credentials: ~/kes.json").keystore.credentials == "@~/kes.json"
    assert spec_of(f"{BARE}, credentials: 'env:KES_JSON'").keystore.credentials == "env:KES_JSON"


def test_names_that_google_allows():
    assert spec_of("project_id: 'example.com:keys-1'").keystore.project_id == "example.com:keys-1"
    assert "keys-1.example.com.iam.gserviceaccount.com" in GCP.policy(
        spec_of("project_id: 'example.com:keys-1', credentials: /none.json")
    )


def test_what_is_asked_and_proposed():
    questions = GCP.questions(FIELDS["gcp"].model_construct())
    assert [(question.path, question.skip) for question in questions] == [
        ("keystore.gcp.project_id", ""),
        ("keystore.gcp.credentials", "machine"),
    ]
    assert [question.environment[0] for question in questions] == [
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ]
    lacking = [problem.message.partition(":")[0] for problem in missing({"keystore": {"gcp": {}}}, KEYSTORES)]
    assert lacking == ["keystore.gcp.project_id"]


# --- the key file


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "it is not JSON"),
        ("/home/u/kes.json", "it holds a path, not JSON"),
        ("[1]", "no JSON mapping"),
        ("{}", "its type is not service_account"),
        (json.dumps({"installed": {"client_secret": "secret-words"}}), "OAuth client's"),
        (json.dumps({"type": "authorized_user", "refresh_token": "secret-words"}), "it is your own login"),
        (json.dumps({"type": "external_account"}), "workload identity federation"),
        (json.dumps(key_file(client_id=None, private_key_id="")), "it lacks client_id, private_key_id"),
        (json.dumps(key_file(client_email="x; rm -rf /")), "client_email is no address"),
        (json.dumps(key_file(private_key="secret-words")), "its private_key is no PEM key"),
        (json.dumps(key_file(private_key=private_key()[:-60])), "a line of it may be missing"),
        (json.dumps(key_file(universe_domain="example.org")), "it is for example.org"),
    ],
)
def test_a_file_that_is_none(text, because):
    with pytest.raises(UsageError) as caught:
        keyfile.parsed(text, "@/x.json")
    assert because in caught.value.because
    assert "@/x.json" in caught.value.what
    assert "secret-words" not in str(caught.value.problems)


def test_line_ends_that_are_two_letters():
    """As they come from an environment variable or a YAML text in single quotes."""
    account = keyfile.parsed(json.dumps(key_file(private_key=private_key().replace("\n", "\\n"))), "@/x.json")
    assert account.pem == private_key()
    assert private_key()[40:80] not in repr(account)


def test_each_part_of_the_file_is_kept_and_a_new_file_brings_new_ones(tmp_path):
    file = tmp_path / "kes.json"
    home = Home("demo", tmp_path / "minio-kes-demo")
    home.prepare()
    sources = {part: given.part(part, f"@{file}") for part in keyfile.PARTS}

    def keep() -> None:
        for part, source in sources.items():
            home.write_secret(keyfile.store(part), given.read(part, source))

    file.write_text(json.dumps(key_file()))
    keep()
    assert home.read_secret("gcp-client_email") == EMAIL
    assert home.read_secret("gcp-private_key") == private_key()
    file.write_text(json.dumps(key_file(private_key_id="f" * 40)))
    changed = {part for part, source in sources.items() if given.changed(source, home.read_secret(keyfile.store(part)))}
    assert changed == {"private_key_id"}
    keep()
    for gone in (None, "no JSON", "{}"):
        file.unlink() if gone is None else file.write_text(gone)
        assert not any(given.changed(source, "x") for source in sources.values())
    file.unlink()
    assert keyfile.account(home, f"@{file}").private_key_id == "f" * 40


def test_a_part_that_is_missing_is_named(tmp_path):
    (tmp_path / "kes.json").write_text('{"client_id": 7}')
    for part, because in {"client_email": "client_email is missing", "client_id": "client_id is no text"}.items():
        with pytest.raises(UsageError) as caught:
            given.read(f"gcp-{part}", given.part(part, f"@{tmp_path}/kes.json"))
        assert caught.value.because == because
        assert f"in @{tmp_path}/kes.json" in caught.value.what


# --- asked, over TLS, under Google's names


@pytest.fixture
def google(tmp_path, monkeypatch):
    """Secret Manager, and the work that looks at it."""
    pytest.importorskip("google.oauth2", reason="kesdeploy[gcp] is not installed")
    ca = issue(tmp_path, ("secretmanager.googleapis.com", "oauth2.googleapis.com"), NOW)
    manager = SecretManager()
    server = StandIn(tmp_path, manager)
    redirect(monkeypatch, server.port, "secretmanager.googleapis.com", "oauth2.googleapis.com")
    home = Home("demo", tmp_path / "minio-kes-demo")
    home.prepare()
    file = tmp_path / "kes.json"
    file.write_text(json.dumps(key_file()))

    def work(more: str = f"credentials: {file}", told: Told | None = None) -> Work:
        return Work(spec_of(f"{BARE}, {more}{', ' if more else ''}ca: {ca}"), home, NOW, told or Told(), 5)

    manager.work, manager.file, manager.port = work, file, server.port
    yield manager
    server.close()


def refused(google: SecretManager) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        GCP.preflight(google.work())
    assert private_key()[40:80] not in str(caught.value.problems)
    return caught.value


def test_a_login_that_works_is_proven_without_a_change(google):
    told = Told()
    GCP.preflight(google.work(told=told))
    assert not told.warnings
    secret = f"/v1/projects/{PROJECT}/secrets/minio-demo-1f"
    assert google.asked == [
        "GET /",
        "POST /token",
        f"GET {secret}/versions/1:access?fields=name",
        f"GET {secret}?fields=name",
    ]
    assert (google.claims["iss"], google.claims["scope"]) == (EMAIL, "https://www.googleapis.com/auth/cloud-platform")
    assert GCP.state(google.work()) == "ok"


def test_a_key_that_is_there_is_fine(google):
    google.secrets["minio-demo-1f"] = ["ENABLED"]
    GCP.preflight(google.work())


def test_the_scopes_are_those_of_kes(google):
    scope = "https://www.googleapis.com/auth/cloud-platform.read-only"
    GCP.preflight(google.work(f"credentials: {google.file}, scopes: ['{scope}']"))
    assert google.claims["scope"] == scope


def test_a_key_with_two_letters_for_a_line_end_logs_in(google):
    google.file.write_text(json.dumps(key_file(private_key=private_key().replace("\n", "\\n"))))
    GCP.preflight(google.work())


@pytest.mark.parametrize(
    ("status", "error", "text", "what", "hint"),
    [
        (400, "invalid_grant", "Invalid JWT Signature.", "was deleted", f"keys create FILE --iam-account {EMAIL}"),
        (400, "invalid_grant", "Invalid grant: account not found", f"'{EMAIL}' any more", f"--project {PROJECT}"),
        (
            400,
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            "clock",
            "timedatectl",
        ),
        (400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.", "scopes", "keystore.gcp.scopes"),
        (403, "access_denied", "Account has been suspended.", "the login is refused", "gcloud iam"),
    ],
)
def test_a_login_that_is_refused(google, status, error, text, what, hint):
    google.refuse = (status, error, text)
    found = refused(google)
    assert what in found.what
    assert found.because == f"{error}: {text}"
    assert hint in found.hint
    assert GCP.state(google.work()) == "DENIED"


DENIED = "Permission 'secretmanager.versions.access' denied"
UNUSED = "Secret Manager API has not been used in project 1 before or it is disabled."
STATUS = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 500: "INTERNAL"}


@pytest.mark.parametrize(
    ("answer", "text", "what", "hint"),
    [
        ((403, "SERVICE_DISABLED"), UNUSED, "not enabled", "enable secretmanager.googleapis.com --project hhaz-"),
        (
            (403, "CONSUMER_INVALID"),
            "Permission denied on resource project x.",
            "no project",
            "keystore.gcp.project_id",
        ),
        ((403, "BILLING_DISABLED"), "This API method requires billing.", "billing", "gcloud billing"),
        ((403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), "insufficient scopes.", "scopes", "keystore.gcp.scopes"),
        ((403, "IAM_PERMISSION_DENIED"), DENIED, "may not use", "kesdeploy policy gcp"),
        ((403, ""), DENIED, "may not use", "kesdeploy policy gcp"),
        ((401, "ACCOUNT_STATE_INVALID"), "Request had invalid credentials.", "is refused", "gcloud iam"),
        ((500, ""), "Internal error.", "refuses", "gcloud secrets list"),
    ],
)
def test_what_secret_manager_refuses(google, answer, text, what, hint):
    status, reason = answer
    google.forbid = (status, STATUS[status], reason, text)
    found = refused(google)
    assert what in found.what
    assert (found.because, found.status) == (text, status)
    assert hint in found.hint
    assert "{" not in found.what + found.hint
    assert GCP.state(google.work()) == ("DENIED" if status < 500 else "WRONG")


def test_a_key_that_was_only_half_made(google):
    google.secrets["minio-demo-1f"] = []
    found = refused(google)
    assert "without the version 1" in found.what
    assert f"gcloud secrets delete minio-demo-1f --project {PROJECT}" in found.hint


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_a_key_that_cannot_be_read(google, state):
    google.secrets["minio-demo-1f"] = [state]
    found = refused(google)
    assert f"is in {state} state" in found.because
    assert "gcloud secrets versions enable 1 --secret minio-demo-1f" in found.hint


def test_a_login_that_does_not_answer(google, monkeypatch):
    monkeypatch.undo()
    redirect(monkeypatch, google.port, "secretmanager.googleapis.com")
    found = refused(google)
    assert "login does not answer" in found.what
    assert GCP.state(google.work()) == "UNREACHABLE"


def test_nobody_answers(google, monkeypatch):
    monkeypatch.undo()
    redirect(monkeypatch, google.port)
    found = refused(google)
    assert "cannot be reached" in found.what
    assert "curl -v https://secretmanager.googleapis.com" in found.hint
    assert found.status == 0


def test_a_certificate_that_does_not_hold(google):
    work = google.work()
    bare = work.spec.model_copy(update={"keystore": work.spec.keystore.model_copy(update={"ca": None})})
    with pytest.raises(ServiceError, match="cannot be reached") as caught:
        GCP.prove(Work(bare, work.home, NOW, Told(), 5))
    assert "keystore.gcp.ca" in caught.value.hint


def test_without_the_library_it_is_said_and_reachability_is_still_asked(google, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.oauth2.service_account", None)
    told = Told()
    GCP.preflight(google.work(told=told))
    (warning,) = told.warnings
    assert "pip install 'kesdeploy[gcp]'" in warning
    assert google.asked == ["GET /"]


def test_what_the_machine_is_given_cannot_be_proven_from_here(google):
    told = Told()
    GCP.preflight(google.work("", told))
    assert "only its first key proves" in told.warnings[0]


def test_a_file_that_was_piped_is_not_taken_for_none(google):
    google.work().home.write_secret("gcp-credentials", "{")
    with pytest.raises(UsageError, match="cannot be piped"):
        GCP.preflight(google.work(""))


def test_a_file_that_is_nowhere(google):
    google.file.unlink()
    with pytest.raises(UsageError) as caught:
        GCP.preflight(google.work())
    assert f"@{google.file}" in caught.value.what


def test_a_file_that_went_bad_does_not_stop_status(google):
    google.file.write_text("{")
    assert GCP.state(google.work()) == "WRONG"
