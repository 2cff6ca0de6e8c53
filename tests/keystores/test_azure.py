"""Azure Key Vault: its fields, what is rendered, and what is told of each thing that Azure refuses."""

from __future__ import annotations

import re
import sys

import pytest
import yaml
from bao import NOW, Told
from clouds.key_vault import CLIENT, SECRET, TENANT, KeyVault
from clouds.server import StandIn, issue, redirect

from kesdeploy import filled, topology
from kesdeploy.errors import DataProtected, ServiceError, SpecError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS, KEYSTORES, Pick, Site, Work
from kesdeploy.lacking import missing
from kesdeploy.spec import load

AZURE = KEYSTORES["azure"]
SITE = Site("/root", "1000:1000", {name: Pick(f"{name}:1", (name,)) for name in ("kes", "minio")})
VAULT = "endpoint: 'https://hhaz.vault.azure.net'"
LOGIN = f"{VAULT}, credentials: {{tenant_id: {TENANT}, client_id: {CLIENT}, client_secret: 'env:HHAZ_SECRET'}}"
KINDS = {
    "credentials": LOGIN,
    "managed-identity": f"{VAULT}, managed_identity: {{client_id: {CLIENT}}}",
    "machine": VAULT,
    "china-ca": f"endpoint: 'https://hhaz.vault.azure.cn/', ca: /ca.pem, "
    f"credentials: {{tenant_id: {TENANT}, client_id: {CLIENT}}}",
}


def spec_of(fields: str, more: str = "key_name: minio-demo-1f\n"):
    return load(f"name: demo\nkeystore: {{azure: {{{fields}}}}}\n{more}", {}, FIELDS)


def objections(fields: str, more: str = "") -> list[str]:
    with pytest.raises(SpecError) as caught:
        spec_of(fields, more)
    return [problem.message for problem in caught.value.found]


# --- pure


@pytest.mark.parametrize("kind", KINDS)
def test_what_kes_is_given(golden, kind):
    spec = spec_of(KINDS[kind])
    there = {resource.address: resource for resource in topology.desired(spec, SITE)}
    config = there["file/kes-config"]
    section = filled.outline(config.body).partition("keystore:\n")[2]
    yaml.safe_load(section)
    kes = there["container/kes-server"].body
    environment = {name: value for name, value in kes.environment.items() if "proxy" not in name.lower()}
    mine = sorted(address for address in there if "azure" in address)
    told = f"# {' '.join(mine)}\n# {environment}\n{section}# needs {' '.join(config.needs)}\n"
    golden(f"keystores/azure-{kind}.txt", told)


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_is_ready_to_paste(golden, kind):
    golden(f"keystores/azure-{kind}-policy.txt", AZURE.policy(spec_of(KINDS[kind])))


@pytest.mark.parametrize(
    ("endpoint", "complaint"),
    [
        ("http://hhaz.vault.azure.net", "begins with https://"),
        ("hhaz", "begins with https://"),
        ("hhaz.vault.azure.net", "begins with https://"),
        ("https://hhaz.vault.azure.net/secrets/k", "nothing behind it"),
        ("https://hhaz.vault.azure.net?x=1", "nothing behind it"),
        ("https://u:p@hhaz.vault.azure.net", "nothing behind it"),
        ("https://hhaz.vault.azure.net:443", "without a port"),
        ("https://hhaz.managedhsm.azure.net", "takes a Key Vault"),
        ("https://hhaz.privatelink.vaultcore.azure.net", "no other name"),
        ("https://hhaz.vault.azure.com", "one of .vault.azure.net, .vault.azure.cn"),
        ("https://vault.azure.net", "one of .vault.azure.net"),
        ("https://a.b.vault.azure.net", "one of .vault.azure.net"),
        ("https://10.0.0.1", "one of .vault.azure.net"),
    ],
)
def test_an_address_that_is_none(endpoint, complaint):
    (only,) = objections(f"endpoint: '{endpoint}'")
    assert only.startswith("keystore.azure.endpoint: ")
    assert complaint in only


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("", "keystore.azure.endpoint: required"),
        (f"{LOGIN}, managed_identity: {{client_id: {CLIENT}}}", "KES takes one of them, not both"),
        (f"{VAULT}, managed_identity: {{}}", "managed_identity.client_id: required"),
        (f"{VAULT}, credentials: {{client_id: {CLIENT}}}", "credentials.tenant_id: required"),
        (f"{VAULT}, credentials: {{tenant_id: x.onmicrosoft.com, client_id: {CLIENT}}}", "the tenant's id is needed"),
        (f"{VAULT}, credentials: {{tenant_id: common, client_id: {CLIENT}}}", "the tenant's id is needed"),
        (f"{VAULT}, credentials: {{tenant_id: {TENANT}, client_id: my-app}}", "client_id: a UUID is needed"),
        (f"{VAULT}, credentials: {{client_secret: plain-secret}}", "does not belong in a spec"),
        (f"{VAULT}, tenant_id: x", "unknown key"),
    ],
)
def test_what_is_wrong_is_said(fields, complaint):
    found = "\n".join(objections(fields))
    assert complaint in found
    assert "plain-secret" not in found


def test_a_tenant_is_written_as_the_vault_writes_it():
    """KES compares the two letter by letter."""
    spec = spec_of(LOGIN.replace(TENANT, "AAAAAAAA-2222-3333-4444-555555555555"))
    assert spec.keystore.credentials.tenant_id == "aaaaaaaa-2222-3333-4444-555555555555"


def test_names_that_azure_does_not_allow_are_refused_with_their_path():
    buckets = (
        "minio: {buckets: [{name: one}, {name: two, key: b_c}, {name: three, key: Fine}, {name: four, key: fine}]}"
    )
    assert objections(VAULT, f"key_name: a_b\n{buckets}\n") == [
        "key_name: Azure allows no '_' in a name (given: 'a_b')",
        "minio.buckets.1.key: Azure allows no '_' in a name (given: 'b_c')",
        "minio.buckets.3.key: to Azure, 'fine' and 'Fine' are one name",
    ]
    assert spec_of(VAULT, "minio: {buckets: [{name: one, key: same}, {name: two, key: same}]}\n")


def test_what_is_asked(monkeypatch):
    def asked(fields: str) -> list[str]:
        given = yaml.safe_load(f"{{{fields}}}")
        known = FIELDS["azure"].model_construct(**{"credentials": None, "managed_identity": None, **given})
        names = [question.path.removeprefix("keystore.azure.") for question in AZURE.questions(known)]
        return [name for name in names if name != "endpoint"]

    login = ["credentials.tenant_id", "credentials.client_id", "credentials.client_secret"]
    assert asked("") == ["credentials.tenant_id", "managed_identity.client_id"]
    assert asked(f"credentials: {{tenant_id: {TENANT}}}") == login
    assert asked(LOGIN) == login[:2]
    spec = spec_of(KINDS["china-ca"])
    secret = AZURE.questions(spec.keystore)[-1]
    assert (secret.secret, secret.store) == (True, "azure-credentials-client_secret")


def test_without_a_terminal_only_what_has_no_default_is_lacking():
    paths = [problem.message.partition(":")[0] for problem in missing({"keystore": {"azure": {}}}, KEYSTORES)]
    assert paths == ["keystore.azure.endpoint"]


def test_the_environment_proposes():
    known = FIELDS["azure"].model_construct(endpoint=None, credentials={"client_id": ""}, managed_identity=None)
    proposed = {question.environment[0] for question in AZURE.questions(known)}
    assert proposed == {"AZURE_KEYVAULT_URL", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"}


# --- asked, over TLS, under Azure's names


@pytest.fixture
def azure(tmp_path, monkeypatch):
    """A vault, and the work that looks at it."""
    pytest.importorskip("azure.identity", reason="kesdeploy[azure] is not installed")
    ca = issue(tmp_path, ("hhaz.vault.azure.net", "login.microsoftonline.com"), NOW)
    vault = KeyVault()
    server = StandIn(tmp_path, vault)
    redirect(monkeypatch, server.port, "hhaz.vault.azure.net", "login.microsoftonline.com")
    monkeypatch.setenv("HHAZ_SECRET", SECRET)
    home = Home("demo", tmp_path / "minio-kes-demo")
    home.prepare()

    def work(fields: str = LOGIN, told: Told | None = None) -> Work:
        return Work(spec_of(f"{fields}, ca: {ca}"), home, NOW, told or Told(), 5)

    vault.work, vault.port = work, server.port
    yield vault
    server.close()


def refused(azure: KeyVault, fields: str = LOGIN) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        AZURE.preflight(azure.work(fields))
    assert SECRET not in str(caught.value.problems)
    return caught.value


def test_a_login_that_works_is_proven_without_a_change(azure):
    told = Told()
    AZURE.preflight(azure.work(told=told))
    assert not told.warnings
    assert AZURE.state(azure.work()) == "ok"
    assert {line.split()[0] for line in azure.asked} == {"GET", "POST"}
    reads = {line for line in azure.asked if "minio-demo-1f" in line}
    assert reads == {
        "GET /secrets/minio-demo-1f/",
        "GET /secrets/minio-demo-1f/versions",
        "GET /deletedsecrets/minio-demo-1f",
    }


def test_a_key_that_is_there_is_fine(azure):
    azure.secrets["minio-demo-1f"] = {"1": "v"}
    AZURE.preflight(azure.work())


@pytest.mark.parametrize(
    ("status", "text", "what", "hint"),
    [
        (
            401,
            f"AADSTS7000222: The provided client secret keys for app '{CLIENT}' are expired. Visit the Azure portal.",
            "has expired",
            f"az ad app credential reset --id {CLIENT}",
        ),
        (
            400,
            "AADSTS700016: Application with identifier 'x' was not found in the directory 'Contoso'.",
            "does not know",
            "az ad app list",
        ),
        (400, "AADSTS7000112: Application 'x'(kes) is disabled.", "is disabled", "accountEnabled=true"),
        (400, "AADSTS53003: Access has been blocked by Conditional Access policies.", "the login is refused", "az "),
    ],
)
def test_a_login_that_is_refused(azure, status, text, what, hint):
    azure.refuse = (status, text)
    error = refused(azure)
    assert what in error.what
    assert error.because == text
    assert hint in error.hint
    assert error.status == 401
    assert AZURE.state(azure.work()) == "DENIED"


def test_a_wrong_secret(azure, monkeypatch):
    monkeypatch.setenv("HHAZ_SECRET", "0e0e0e0e-1111-2222-3333-444444444444")
    with pytest.raises(ServiceError) as caught:
        AZURE.prove(azure.work())
    assert "client secret is wrong" in caught.value.what
    assert caught.value.because.startswith("AADSTS7000215: Invalid client secret provided.")
    assert "Trace" not in caught.value.because
    assert "value is needed, not its id" in caught.value.hint
    assert "env:HHAZ_SECRET" in caught.value.hint
    assert "0e0e" not in str(caught.value.problems)


def test_a_tenant_that_is_none(azure):
    azure.known = False
    error = refused(azure)
    assert "no such tenant" in error.what
    assert error.because == f"AADSTS90002: Tenant '{TENANT}' not found. Check the tenant ID."
    assert "keystore.azure.credentials.tenant_id" in error.hint


def test_a_vault_of_another_tenant(azure):
    """The login would work; KES refuses to ask for a token of a tenant that it was not told of."""
    azure.tenant = TENANT.replace("1", "2")
    error = refused(azure)
    assert "another tenant" in error.what
    assert azure.tenant in error.because
    assert azure.tenant in error.hint
    assert (error.status, AZURE.state(azure.work())) == (401, "DENIED")


def test_something_that_is_no_vault(azure):
    azure.tenant = ""
    error = refused(azure)
    assert "no Key Vault" in error.what


@pytest.mark.parametrize("need", ["get", "list"])
@pytest.mark.parametrize(
    ("inner", "hint"),
    [
        ("ForbiddenByPolicy", "kesdeploy policy azure"),
        ("ForbiddenByRbac", "kesdeploy policy azure"),
        ("ForbiddenByFirewall", "az keyvault network-rule add --name hhaz"),
        ("AccessDenied", "kesdeploy policy azure"),
    ],
)
def test_a_vault_that_does_not_let_kes_in(azure, need, inner, hint):
    azure.forbid[need] = (403, inner, "The user, group or application 'appid=x' does not have secrets permission.")
    error = refused(azure)
    assert error.status == 403
    assert error.because == "The user, group or application 'appid=x' does not have secrets permission."
    assert hint in error.hint
    assert AZURE.state(azure.work()) == "DENIED"


def test_a_vault_that_nobody_has(azure):
    error = refused(azure, VAULT.replace("hhaz.", "hhaz-typo."))
    assert error.status == 0
    assert "not known" in error.because
    assert "keystore.azure.endpoint" in error.hint


def test_a_login_service_that_does_not_answer(azure, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("HHAZ_SECRET", SECRET)
    redirect(monkeypatch, azure.port, "hhaz.vault.azure.net")
    error = refused(azure)
    assert "login service does not answer" in error.what
    assert "login.microsoftonline.com" in error.because
    assert AZURE.state(azure.work()) == "UNREACHABLE"


def test_a_certificate_that_does_not_hold(azure):
    work = azure.work()
    bare = work.spec.keystore.model_copy(update={"ca": None})
    with pytest.raises(ServiceError, match="cannot be reached") as caught:
        AZURE.prove(Work(work.spec.model_copy(update={"keystore": bare}), work.home, NOW, Told(), 5))
    assert "certificate" in caught.value.because


def test_a_key_that_kes_would_purge_is_refused(azure):
    azure.deleted["minio-demo-1f"] = {"1": "v"}
    with pytest.raises(DataProtected) as caught:
        AZURE.preflight(azure.work())
    assert "az keyvault secret recover --vault-name hhaz --name minio-demo-1f" in caught.value.hint
    assert "purge it for ever" in caught.value.because
    assert azure.deleted
    assert AZURE.state(azure.work()) == "ok"


def test_without_the_libraries_it_is_said_and_reachability_is_still_asked(azure, monkeypatch):
    for name in ("azure.identity", "azure.keyvault.secrets", "azure.core.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    told = Told()
    AZURE.preflight(azure.work(told=told))
    (warning,) = told.warnings
    assert "pip install 'kesdeploy[azure]'" in warning
    assert azure.asked == ["GET /", "GET /secrets"]


@pytest.mark.parametrize("fields", [VAULT, f"{VAULT}, managed_identity: {{client_id: {CLIENT}}}"])
def test_what_the_machine_is_given_cannot_be_proven_from_here(azure, fields):
    told = Told()
    AZURE.preflight(azure.work(fields, told))
    assert len(told.warnings) == 1
    assert "only its first key proves" in told.warnings[0]


def test_a_secret_that_is_nowhere(azure, monkeypatch):
    monkeypatch.delenv("HHAZ_SECRET")
    with pytest.raises(UsageError, match="azure-credentials-client_secret in env:HHAZ_SECRET"):
        AZURE.preflight(azure.work())


def test_hints_name_only_commands_that_exist():
    from kesdeploy.keystores.azure import refusals

    for _, hint in refusals._KNOWN.values():
        assert re.search(r"\baz |kesdeploy policy azure", hint)
