"""KES's login as a Kubernetes service account: on a real OpenBao, with as much of a cluster as that asks."""

from __future__ import annotations

import pytest
from vault_user import refused

from kesdeploy.errors import UsageError
from kesdeploy.keystores.vault import Vault, door, names
from kesdeploy.keystores.vault.policy import kes_policy

pytestmark = [pytest.mark.openbao, pytest.mark.parametrize("shared", ["shares"], indirect=True)]
VAULT = Vault()


@pytest.fixture
def cluster(user):
    found = user.cluster()
    user.admin("PUT", "sys/policy/theirs", {"policy": kes_policy(user.work().spec, "v2")})
    yield found
    found.stop()


def test_a_fit_vault_passes(user, cluster):
    work = user.work(user.service_account(cluster, seconds=90 * 86400))
    VAULT.preflight(work)
    assert user.told.warnings == []
    assert VAULT.unsettled(work) == "KES has no login to Vault yet"
    # As `up` stores what the spec points at.
    user.home.write_secret(names.JWT, (user.folder / "jwt").read_text().strip())
    VAULT.bootstrap(work)
    assert (VAULT.unsettled(work), VAULT.state(work)) == (None, "ok")
    assert door.stored(work) is None, "no AppRole is made or kept"
    cluster.valid.clear()
    assert VAULT.state(work) == "DENIED"


def test_a_token_that_the_cluster_does_not_know_any_more(user, cluster):
    fields = user.service_account(cluster)
    cluster.valid.clear()
    error = refused(user, fields)
    assert (error.status, error.because) == (403, "permission denied")
    assert "vault read auth/kubernetes/role/kes" in error.hint


def test_another_service_account(user, cluster):
    error = refused(user, user.service_account(cluster, name="somebody"))
    assert "refuses the service account's login at auth/kubernetes" in error.what
    assert error.because == "service account name not authorized"


def test_a_role_that_is_not_there(user, cluster):
    error = refused(user, user.service_account(cluster).replace("role: kes", "role: keys"))
    assert error.because == 'invalid role name "keys"'


def test_no_kubernetes_method_there(user, cluster):
    fields = user.service_account(cluster).replace("role: kes", "role: kes, engine: k8s")
    error = refused(user, fields)
    assert error.status in (403, 404)


def test_an_expired_token_is_told_before_it_is_shown(user, cluster):
    with pytest.raises(UsageError, match="expired on"):
        VAULT.preflight(user.work(user.service_account(cluster, seconds=-3600)))


def test_a_token_that_ends_soon_is_a_warning(user, cluster):
    VAULT.preflight(user.work(user.service_account(cluster, seconds=3600)))
    assert "KES cannot log in with it after that" in user.told.warnings[0]


def test_no_token(user, cluster, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", user.bao.master)
    with pytest.raises(UsageError, match="no login") as found:
        VAULT.preflight(user.work("kubernetes: {role: kes}"))
    assert "kubernetes.jwt=@FILE" in found.value.hint
