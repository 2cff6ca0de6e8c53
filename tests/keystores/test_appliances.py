"""Entrust KeyControl, Fortanix DSM, Thales CipherTrust: what a spec may say, what is rendered, granted and proven."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
import yaml
from appliances import CipherTrust, KeyControl, Sdkms
from bao import Told

from kesdeploy import filled, topology
from kesdeploy.errors import CertificateError, ServiceError, SpecError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS, KEYSTORES, Pick, Site, Work
from kesdeploy.keystores.fortanix import ENDLESS
from kesdeploy.spec import load

SITE = Site("/root", "1000:1000", {name: Pick(f"{name}:1", (name,)) for name in ("kes", "minio")})
VAULT, GROUP = KeyControl.vault, Sdkms.group
LEAST = {
    "entrust": f"endpoint: 'https://h', vault_id: {VAULT}, box_id: box, credentials: {{username: u}}",
    "fortanix": "endpoint: 'https://h'",
    "keysecure": "endpoint: 'https://h'",
}
SECRET = {"entrust": "password", "fortanix": "key", "keysecure": "token"}
KINDS = {
    "entrust": LEAST["entrust"],
    "entrust-all": f"endpoint: 'https://h:8443/', vault_id: {VAULT}, box_id: 'my box', ca: /ca.pem, "
    "credentials: {username: kes@example.org, password: 'env:PASS'}",
    "fortanix": LEAST["fortanix"],
    "fortanix-all": f"endpoint: 'https://h', group_id: {GROUP}, ca: /ca.pem, credentials: {{key: 'env:KEY'}}",
    "keysecure": LEAST["keysecure"],
    "keysecure-all": "endpoint: 'https://h', ca: /ca.pem, credentials: {token: '@/token', domain: \"it's\"}",
}
APPLIANCES = (KeyControl, Sdkms, CipherTrust)


def spec_of(kind: str, fields: str):
    return load(f"name: demo\nkeystore: {{{kind.partition('-')[0]}: {{{fields}}}}}\n", {}, FIELDS)


def rendered(spec) -> str:
    (body,) = (r.body for r in topology.desired(spec, SITE) if r.address == topology.KES_CONFIG)
    return filled.outline(body)


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_it_as_text(golden, kind):
    """KES's keystore section, and what has to be granted."""
    spec = spec_of(kind, KINDS[kind])
    section = rendered(spec).partition("keystore:\n")[2]
    yaml.safe_load(section)
    golden(f"keystores/{kind}.txt", f"{section}\n{KEYSTORES[spec.kms].policy(spec)}")


@pytest.mark.parametrize("kind", LEAST)
def test_the_credential_is_stored_and_the_authority_copied(kind):
    resources = {
        r.address: r.body for r in KEYSTORES[kind].contribute(spec_of(kind, KINDS[f"{kind}-all"]), SITE).resources
    }
    name = f"{kind}-credentials-{SECRET[kind]}"
    assert resources[f"secret/{name}"].name == name
    assert resources[f"file/{kind}-ca"].path == f"config/kes/{kind}-ca.crt"


def denied(kind: str) -> dict[str, list[str]]:
    """By policy, one of the user's own among them."""
    spec = spec_of(kind, LEAST[kind])
    own = {"kes.policies.own": {"allow": ["/v1/key/*"], "identities": ["a" * 64]}}
    policies = yaml.safe_load(rendered(load(spec.text(), own, FIELDS)))["policy"]
    return {name: policy.get("deny", []) for name, policy in policies.items()}


def test_nobody_may_list_keys_in_fortanix():
    """KES never ends such a listing."""
    assert all(ENDLESS in paths for paths in denied("fortanix").values())
    assert not any(ENDLESS in paths for paths in denied("keysecure").values())
    assert list(denied("fortanix")) == ["minio", "operator", "own"]


@pytest.mark.parametrize(
    ("kind", "fields", "complaint"),
    [
        ("entrust", "endpoint: 'https://h'", "keystore.entrust.credentials: required"),
        ("entrust", LEAST["entrust"].replace("{username: u}", "{}"), "credentials.username: required"),
        ("entrust", LEAST["entrust"].replace(VAULT, "minio"), "vault_id: a UUID is needed"),
        ("entrust", LEAST["entrust"].replace("https://h", f"https://h/vault/1.0/Login/{VAULT}/"), "KES adds by itself"),
        ("entrust", LEAST["entrust"].replace("https://h", "http://h"), "begins with https://"),
        ("entrust", LEAST["entrust"].replace("box_id: box", "box_id: ''"), "box_id: one line of text"),
        ("entrust", LEAST["entrust"].replace("box_id: box", "box_id: '${BOX}'"), "variable of its environment"),
        ("entrust", LEAST["entrust"].replace("username: u", "username: u, password: hunter2"), "does not belong in"),
        ("fortanix", "endpoint: 'https://h/sys/v1'", "ends before /sys/v1"),
        ("fortanix", "endpoint: 'https://h', group_id: minio", "group_id: a UUID is needed"),
        ("fortanix", "endpoint: 'https://h', credentials: {key: hunter2}", "does not belong in a spec"),
        ("fortanix", "endpoint: 'https://h', credentials: {api_key: 'env:X'}", "unknown key"),
        ("fortanix", "group: x", "did you mean 'group_id'"),
        ("keysecure", "endpoint: 'https://h/api/v1/'", "ends before /api"),
        ("keysecure", "endpoint: ciphertrust.example.org", "begins with https://"),
        ("keysecure", "endpoint: 'https://h', credentials: {domain: ' root'}", "no white space at its ends"),
        ("keysecure", "endpoint: 'https://h', credentials: {retry: 15s}", "credentials.retry: unknown key"),
        ("keysecure", "endpoint: 'https://h', ca: ca.pem", "absolute path"),
    ],
)
def test_what_is_wrong_is_said(kind, fields, complaint):
    with pytest.raises(SpecError) as found:
        spec_of(kind, fields)
    assert complaint in found.value.because
    assert "hunter2" not in found.value.because


@pytest.mark.parametrize("kind", LEAST)
def test_questions_are_only_for_what_lacks(kind):
    keystore = KEYSTORES[kind]
    fields = spec_of(kind, LEAST[kind]).keystore
    (secret,) = (q for q in keystore.questions(fields) if q.secret)
    assert (secret.path, secret.store) == (
        f"keystore.{kind}.credentials.{SECRET[kind]}",
        f"{kind}-credentials-{SECRET[kind]}",
    )
    known = FIELDS[kind].model_construct(credentials={SECRET[kind]: "env:X"})
    assert not any(q.secret for q in keystore.questions(known))
    assert {q.path for q in keystore.questions(FIELDS[kind].model_construct()) if not q.skip and not q.secret} >= {
        f"keystore.{kind}.endpoint"
    }


def test_the_environment_only_proposes(monkeypatch):
    asked = {
        q.path: q.environment
        for keystore in KEYSTORES.values()
        for q in keystore.questions(keystore.fields.model_construct())
    }
    assert asked["keystore.fortanix.credentials.key"] == ("FORTANIX_API_KEY",)
    assert asked["keystore.keysecure.endpoint"] == ("KSCTL_URL", "CIPHERTRUST_ADDRESS")
    assert asked["keystore.entrust.vault_id"] == ("ENTRUST_VAULT_UUID",)
    monkeypatch.setenv("KSCTL_DOMAIN", "other")
    assert "domain" not in rendered(spec_of("keysecure", LEAST["keysecure"]))


def test_the_policy_of_ksctl_is_json_with_the_users_own_names():
    text = KEYSTORES["keysecure"].policy(spec_of("keysecure", KINDS["keysecure-all"]))
    first, second = re.findall(r"<<'EOF'\n(.*?)\nEOF", text, re.DOTALL)
    policy = json.loads(first)
    assert policy["actions"] == ["CreateKey", "ExportKey", "ReadKey", "DeleteKey"]
    assert policy["resources"] == ["kylo:kylo:vault:secrets:*"]
    assert json.loads(second) == {"cust": {"groups": ["kes-demo"]}}
    assert """KSCTL_DOMAIN='it'"'"'s'""" in text


# --- before anything starts, against servers that answer as KES's client code expects


@pytest.fixture(params=APPLIANCES, ids=lambda appliance: appliance.kind)
def kms(request, tmp_path):
    found = request.param(tmp_path)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _reachable(monkeypatch):
    # From a container it would not be; that refusal has a test of its own.
    monkeypatch.setattr("kesdeploy.keystores.reaching.refuse_loopback", lambda *_: None)


def work(kms, tmp_path, **changed) -> Work:
    """With other fields: `credentials_username=…` is one below."""
    fields = json.loads(json.dumps(kms.fields))
    for path, value in changed.items():
        section, _, name = path.partition("__")
        if name:
            fields[section][name] = value
        else:
            fields[section] = value
    spec = load(yaml.safe_dump({"name": "demo", "keystore": {kms.kind: fields}}), {}, FIELDS)
    home = Home("demo", tmp_path / "minio-kes-demo")
    home.prepare()
    return Work(spec, home, datetime.now(UTC), Told(), 5)


def refused(work: Work) -> ServiceError:
    with pytest.raises(ServiceError) as found:
        KEYSTORES[work.spec.kms].preflight(work)
    assert found.value.hint
    return found.value


def test_a_fit_one_passes_and_nothing_is_changed(kms, tmp_path):
    KEYSTORES[kms.kind].preflight(work(kms, tmp_path))
    assert KEYSTORES[kms.kind].state(work(kms, tmp_path)) == "ok"
    assert kms.secrets == {}
    assert not any("ecret" in path or "/crypto/" in path for path in kms.asked)


def test_a_wrong_credential_is_told_in_its_own_words(kms, tmp_path):
    (tmp_path / "wrong").write_text("hunter2-wrong")
    unfit = work(kms, tmp_path, **{f"credentials__{SECRET[kms.kind]}": f"@{tmp_path}/wrong"})
    error = refused(unfit)
    words = {"entrust": "Invalid username or password", "fortanix": "Invalid auth", "keysecure": "NCERRUnauth"}
    assert error.because.startswith(words[kms.kind])
    assert error.because.endswith("(HTTP 401)")
    assert error.status == 401
    assert "hunter2" not in f"{error.what} {error.because} {error.hint}"
    assert KEYSTORES[kms.kind].state(unfit) == "DENIED"


def test_what_is_not_there_at_all(kms, tmp_path):
    kms.close()
    error = refused(work(kms, tmp_path))
    assert (error.status, f"keystore.{kms.kind}.endpoint" in error.hint) == (0, True)
    assert KEYSTORES[kms.kind].state(work(kms, tmp_path)) == "UNREACHABLE"


def test_an_authority_that_did_not_sign_it(kms, tmp_path):
    (tmp_path / "other").mkdir()
    other = Sdkms(tmp_path / "other")
    other.close()
    assert "certificate" in refused(work(kms, tmp_path, ca=str(other.ca))).because
    with pytest.raises(CertificateError, match="cannot be read"):
        KEYSTORES[kms.kind].preflight(work(kms, tmp_path, ca=str(tmp_path / "credential")))


LOGIN = {
    "entrust": f"/vault/1.0/Login/{VAULT}/",
    "fortanix": "/sys/v1/session/auth",
    "keysecure": "/api/v1/auth/tokens",
}


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        ((404, "<html>not here</html>"), "a web page (HTTP 404)"),
        ((503, {"message": "in maintenance"}), "in maintenance (HTTP 503)"),
        ((500, None), "HTTP 500"),
        ((200, "<html>log in</html>"), "it has to be JSON"),
        ((200, {"access_token": ""}), "answers without"),
        ((200, ["jwt"]), "answers without"),
    ],
)
def test_another_answer_to_the_login(kms, tmp_path, answer, because):
    kms.instead[LOGIN[kms.kind]] = answer
    error = refused(work(kms, tmp_path))
    assert because in error.because
    assert error.status == answer[0]
    assert KEYSTORES[kms.kind].state(work(kms, tmp_path)) == "WRONG"


@pytest.mark.parametrize(
    ("changed", "what", "hint"),
    [
        ({"vault_id": "00000000-0000-0000-0000-000000000000"}, "refuses the login", "keystore.entrust.vault_id"),
        ({"credentials__username": "nobody"}, "login of 'nobody'", "One-time".lower()),
        ({"box_id": "other"}, "does not show the box 'other'", "Vault User Role"),
    ],
)
def test_entrust_says_which_of_them_is_wrong(tmp_path, changed, what, hint):
    kms = KeyControl(tmp_path)
    error = refused(work(kms, tmp_path, **changed))
    kms.close()
    assert what in error.what
    assert hint in error.hint


def test_entrust_has_to_show_the_box(tmp_path):
    kms = KeyControl(tmp_path)
    kms.instead["/vault/1.0/GetBox/"] = (403, {"error": "Permission denied"})
    error = refused(work(kms, tmp_path))
    kms.close()
    assert (error.because, error.status) == ("Permission denied (HTTP 403)", 403)
    assert "kesdeploy policy entrust" in error.hint


def test_fortanix_ends_its_session(tmp_path):
    kms = Sdkms(tmp_path)
    KEYSTORES["fortanix"].preflight(work(kms, tmp_path))
    assert kms.asked[-2:] == ["POST /sys/v1/session/auth", "POST /sys/v1/session/terminate"]
    kms.instead["/sys/v1/health"] = (200, "<html>some portal</html>")
    assert "not healthy" in refused(work(kms, tmp_path)).what
    kms.close()


def test_keysecure_sends_the_domain(tmp_path):
    kms = CipherTrust(tmp_path)
    assert refused(work(kms, tmp_path, credentials__domain="other")).hint.endswith("credentials.domain?")
    kms.domain = ""
    KEYSTORES["keysecure"].preflight(work(kms, tmp_path, credentials__domain=None))
    kms.close()


@pytest.mark.parametrize("kind", LEAST)
def test_without_a_credential_it_is_named(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("kesdeploy.keystores.login.answers", lambda *_, **__: None)
    home = Home("demo", tmp_path / "minio-kes-demo")
    home.prepare()
    with pytest.raises(UsageError, match=f"{kind}-credentials-{SECRET[kind]} is not known yet"):
        KEYSTORES[kind].preflight(Work(spec_of(kind, LEAST[kind]), home, datetime.now(UTC), Told(), 5))
