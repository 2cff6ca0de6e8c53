"""The wizard's way through the clouds' keystores: a question for each thing that has no default, and no more."""

from __future__ import annotations

import pytest
from clouds.key_vault import CLIENT, SECRET, TENANT

from kesdeploy.keystores import KEYSTORES
from kesdeploy.wizard import ask_spec

REST = {"name": "demo", "minio": {"buckets": []}}


class Person:
    """Answers by prompt; an empty answer takes what is proposed. Repeats nothing: a complaint fails the test."""

    def __init__(self, **answers: str) -> None:
        self.answers = {prompt.replace("_", " "): answer for prompt, answer in answers.items()}
        self.asked: list[str] = []

    def ask(self, prompt, *, default="", secret=False, choices=(), validate=lambda _: ""):
        self.asked.append(prompt)
        found = next((answer for part, answer in self.answers.items() if part in prompt), "")
        assert not validate(found or default), (prompt, validate(found or default))
        return found or default

    def confirm(self, prompt, *, default=False):
        return "right" in prompt

    def tell(self, blocks):
        pass


def asked(kind: str, person: Person):
    return ask_spec({"keystore": {kind: {}}, **REST}, KEYSTORES, person, holder=lambda *_: "")


@pytest.fixture(autouse=True)
def _nothing_proposed(monkeypatch):
    for keystore in ("azure", "gcp"):
        for question in KEYSTORES[keystore].questions(KEYSTORES[keystore].fields.model_construct()):
            for variable in question.environment:
                monkeypatch.delenv(variable, raising=False)
    for variable in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(variable, raising=False)


def test_an_app_registration():
    person = Person(address="https://hhaz.vault.azure.net", Tenant=TENANT.upper(), Client_id=CLIENT, secret=SECRET)
    tree, secrets = asked("azure", person)
    assert tree["keystore"]["azure"]["credentials"] == {"tenant_id": TENANT.upper(), "client_id": CLIENT}
    assert secrets == {"azure-credentials-client_secret": SECRET}
    assert "_" not in tree["key_name"]


def test_an_identity_of_the_machine():
    person = Person(address="https://hhaz.vault.azure.net", managed_identity=CLIENT)
    tree, secrets = asked("azure", person)
    assert tree["keystore"]["azure"] == {
        "endpoint": "https://hhaz.vault.azure.net",
        "managed_identity": {"client_id": CLIENT},
    }
    assert not secrets
    assert asked("azure", Person(address="https://hhaz.vault.azure.net"))[0]["keystore"] == {
        "azure": {"endpoint": "https://hhaz.vault.azure.net"}
    }


def test_what_azures_environment_has_is_taken_by_enter(monkeypatch):
    monkeypatch.setenv("AZURE_KEYVAULT_URL", "https://hhaz.vault.azure.net/")
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    tree, secrets = asked("azure", Person())
    assert tree["keystore"]["azure"]["credentials"] == {"tenant_id": TENANT, "client_id": CLIENT}
    assert list(secrets.values()) == [SECRET]


def test_a_key_file_of_google(monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/home/u/kes.json")
    tree, secrets = asked("gcp", Person(Project="hhaz-keys-1234"))
    assert tree["keystore"]["gcp"]["project_id"] == "hhaz-keys-1234"
    assert tree["keystore"]["gcp"]["credentials"].removeprefix("@") == "/home/u/kes.json"
    assert not secrets


def test_a_machine_in_googles_cloud():
    person = Person(Project="hhaz-keys-1234")
    assert asked("gcp", person)[0]["keystore"] == {"gcp": {"project_id": "hhaz-keys-1234"}}
    assert person.asked == ["Project's id", "Key file of the service account"]
