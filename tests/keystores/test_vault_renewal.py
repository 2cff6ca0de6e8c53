"""A new secret id for KES, on a real OpenBao: in a Vault of ours, and in somebody else's."""

from __future__ import annotations

import pytest
from vault_user import User, good

from kesdeploy.clients.approle import Role
from kesdeploy.errors import ServiceError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores.vault import Vault, door, names, renewal, theirs
from kesdeploy.keystores.vault.policy import kes_policy

pytestmark = [pytest.mark.openbao, pytest.mark.parametrize("shared", ["static"], indirect=True)]
VAULT = Vault()
INVALID = "invalid role or secret ID"


class Killed(BaseException):
    """No handler may catch it: a kill is not an error."""


@pytest.fixture
def user(bao, tmp_path, monkeypatch) -> User:
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    return User(bao, tmp_path, monkeypatch)


def secret_ids(bao, role: str) -> set[str]:
    return set(bao.ask("LIST", f"auth/approle/role/{role}/secret-id", bao.master)["data"]["keys"])


def lets_in(work, role_id: str, secret_id: str) -> bool:
    try:
        door.leave(door.as_kes(work, door.Login(role_id, secret_id)))
    except ServiceError as error:
        return INVALID not in error.because
    return True


# --- a Vault of ours


def present(bao) -> tuple[str, str]:
    return bao.home.read_secret(names.SECRET_ID), bao.home.read_secret(names.OPERATOR_SECRET)


def assert_settled(bao, *old: tuple[str, str]) -> None:
    kes, operator = present(bao)
    ids = bao.home.read_secret(names.ROLE_ID), bao.home.read_secret(names.OPERATOR_ID)
    assert lets_in(bao.work, ids[0], kes)
    assert lets_in(bao.work, ids[1], operator)
    for former in old:
        for role_id, now, before in zip(ids, (kes, operator), former, strict=True):
            assert now == before or not lets_in(bao.work, role_id, before)
    assert [len(secret_ids(bao, role)) for role in (names.KES_ROLE, names.OPERATOR_ROLE)] == [1, 1]
    assert not VAULT.renewed(bao.work)
    assert not bao.home.secret(renewal.OLD).exists()
    assert VAULT.unsettled(bao.work) is None


def test_both_are_good_until_the_old_one_is_retired(bao):
    before = present(bao)
    VAULT.renew(bao.work)
    assert VAULT.renewed(bao.work)
    role_id, (kes, _) = bao.home.read_secret(names.ROLE_ID), present(bao)
    assert kes != before[0]
    assert lets_in(bao.work, role_id, kes)
    assert lets_in(bao.work, role_id, before[0])
    assert INVALID in VAULT.retire(bao.work)
    assert present(bao)[1] != before[1], "kesdeploy's own is new as well"
    assert_settled(bao, before)


def test_one_that_was_begun_goes_on(bao):
    before = present(bao)
    VAULT.renew(bao.work)
    kes, _ = present(bao)
    VAULT.renew(bao.work)
    assert present(bao)[0] == kes
    VAULT.retire(bao.work)
    assert_settled(bao, before)


def test_what_nobody_remembers_is_destroyed_too(bao):
    before = secret_ids(bao, names.KES_ROLE)
    bao.ask("POST", f"auth/approle/role/{names.KES_ROLE}/secret-id", bao.master, {})
    VAULT.renew(bao.work)
    assert len(secret_ids(bao, names.KES_ROLE) - before) == 2
    VAULT.retire(bao.work)
    assert_settled(bao)


def killed_at(bao, step: int) -> bool:
    """Whether there was such a step, of those on Vault and on disk."""
    left = [step]

    def deadly(real):
        def call(*args, **kwargs):
            found = real(*args, **kwargs)
            left[0] -= 1
            if not left[0]:
                raise Killed
            return found

        return call

    with pytest.MonkeyPatch.context() as patch:
        for cls, methods in ((Role, ("new_secret_id", "accessor", "destroy_all_but")), (Home, ("write",))):
            for name in methods:
                patch.setattr(cls, name, deadly(getattr(cls, name)))
        try:
            VAULT.renew(bao.work)
            VAULT.retire(bao.work)
        except Killed:
            return True
        return False


def test_killed_after_each_effect_the_next_one_finishes(bao):
    step = 1
    while killed_at(bao, step):
        before = present(bao)
        assert lets_in(bao.work, bao.home.read_secret(names.ROLE_ID), before[0]), step
        VAULT.renew(bao.work)
        VAULT.retire(bao.work)
        assert_settled(bao)
        step += 1
    assert step == 9
    assert_settled(bao)


def test_nobody_renews_it_without_kesdeploys_own_login(bao):
    kept = bao.home.read_secret(names.OPERATOR_SECRET)
    bao.home.write_secret(names.OPERATOR_SECRET, "hunter2")
    try:
        with pytest.raises(ServiceError, match="no login of its own") as raised:
            VAULT.renew(bao.work)
    finally:
        bao.home.write_secret(names.OPERATOR_SECRET, kept)
    assert names.OPERATOR_SECRET in raised.value.hint
    assert not VAULT.renewed(bao.work)


# --- a Vault of somebody else's


def typed(user: User, policy: str = "", **about: str):
    """KES's login was typed, and lies in `secrets/` alone; the work with it."""
    fields = good(user) if not policy else user.approle(policy)
    work = user.work(fields, **about)
    theirs.bootstrap(work)
    return user.work("")


def own_rights() -> str:
    path = "auth/approle/role/theirs/secret-id"
    return "".join(f'path "{p}" {{ capabilities = ["update"] }}\n' for p in (path, f"{path}/destroy"))


def test_theirs_with_a_token_of_the_users(user):
    work, role_id = typed(user), user.work("").home.read_secret(names.ROLE_ID)
    before, others = work.home.read_secret(names.SECRET_ID), secret_ids(user.bao, "theirs")
    user.environment.setenv("VAULT_TOKEN", user.bao.master)
    VAULT.renew(work)
    assert lets_in(work, role_id, before)
    assert INVALID in VAULT.retire(work)
    now = work.home.read_secret(names.SECRET_ID)
    assert (lets_in(work, role_id, now), lets_in(work, role_id, before)) == (True, False)
    assert len(secret_ids(user.bao, "theirs")) == len(others), "those of others stay"
    assert not work.home.secret(renewal.OLD).exists()


def test_theirs_where_kes_may_renew_itself(user):
    work = typed(user, kes_policy(user.work("").spec, "v2") + own_rights())
    before = work.home.read_secret(names.SECRET_ID)
    VAULT.renew(work)
    assert INVALID in VAULT.retire(work)
    assert not lets_in(work, work.home.read_secret(names.ROLE_ID), before)


def test_theirs_where_nobody_may_changes_nothing_and_says_what_to_type(user):
    work = typed(user)
    before = work.home.read_secret(names.SECRET_ID)
    with pytest.raises(ServiceError) as raised:
        VAULT.renew(work)
    assert "KES lacks update on auth/approle/role/theirs/secret-id" in raised.value.because
    assert "vault write -f auth/approle/role/theirs/secret-id;" in raised.value.hint
    assert "vault write auth/approle/role/theirs/secret-id/destroy secret_id=-" in raised.value.hint
    assert before not in str(vars(raised.value))
    user.environment.setenv("VAULT_TOKEN", "s.nonsense")
    with pytest.raises(ServiceError, match="VAULT_TOKEN"):
        VAULT.renew(work)
    assert work.home.read_secret(names.SECRET_ID) == before
    assert not VAULT.renewed(work)


def test_theirs_from_a_file_of_the_users(user):
    work = user.work(good(user))
    theirs.bootstrap(work)
    role_id, before = work.home.read_secret(names.ROLE_ID), work.home.read_secret(names.SECRET_ID)
    user.environment.setenv("VAULT_TOKEN", user.bao.master)
    with pytest.raises(UsageError, match="KES's secret id is yours") as raised:
        VAULT.renew(work)
    assert "vault write -f auth/approle/role/ROLE/secret-id" in raised.value.hint
    new = user.admin("POST", "auth/approle/role/theirs/secret-id", {})["data"]["secret_id"]
    (user.folder / "secret-id").write_text(new)
    VAULT.renew(work)
    # What `up` does about a source that holds another value.
    assert not VAULT.renewed(work)
    work.home.write_secret(names.SECRET_ID, new)
    assert VAULT.renewed(work)
    assert INVALID in VAULT.retire(work)
    assert (lets_in(work, role_id, new), lets_in(work, role_id, before)) == (True, False)


def test_theirs_left_by_a_kill_is_told_until_somebody_may(user):
    work = typed(user)
    before = work.home.read_secret(names.SECRET_ID)
    user.environment.setenv("VAULT_TOKEN", user.bao.master)
    VAULT.renew(work)
    user.environment.delenv("VAULT_TOKEN")
    assert VAULT.retire(work) == ""
    assert VAULT.renewed(work)
    (warned,) = [text for text in user.told.warnings if "old secret id still works" in text]
    assert f"secret_id=@{work.home.secret(renewal.OLD)}" in warned
    # By hand, as it says.
    said = user.paste(
        f"vault write auth/approle/role/theirs/secret-id/destroy secret_id=@{work.home.secret(renewal.OLD)}"
    )
    assert "Success" in said
    assert INVALID in VAULT.retire(work)
    assert not VAULT.renewed(work)
    assert not lets_in(work, work.home.read_secret(names.ROLE_ID), before)


def test_theirs_in_a_namespace(user):
    user.admin("PUT", "sys/namespaces/renewal", {})
    user.admin("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}}, "renewal")
    spec = user.work("namespace: renewal").spec
    fields = f"namespace: renewal, {user.approle(kes_policy(spec, 'v2'), 'renewal')}"
    theirs.bootstrap(user.work(fields))
    work = user.work("namespace: renewal")
    before = work.home.read_secret(names.SECRET_ID)
    user.environment.setenv("VAULT_TOKEN", user.bao.master)
    VAULT.renew(work)
    assert INVALID in VAULT.retire(work)
    assert not lets_in(work, work.home.read_secret(names.ROLE_ID), before)


def test_a_service_account_has_none(user):
    work = user.work(f"kubernetes: {{role: kes, jwt: {user.folder}/jwt}}")
    assert not VAULT.renews(work.spec)
    with pytest.raises(UsageError, match="service account") as raised:
        VAULT.renew(work)
    assert "keystore.vault.kubernetes.jwt" in raised.value.hint
