"""kesdeploy killed anywhere in the bootstrap: the next run finishes it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kesdeploy.clients.approle import Role
from kesdeploy.clients.vault import Vault as Client
from kesdeploy.home import Home
from kesdeploy.keystores.startover import StartOver
from kesdeploy.keystores.vault import Vault, names, opening

pytestmark = pytest.mark.openbao
VAULT = Vault()
STEPS = ("ensure_kv", "ensure_approle", "write_policy", "ensure_role", "login_approle",
         "capabilities", "revoke_self", "token_lookup_self")  # fmt: skip


class Killed(BaseException):
    """No handler may catch it: a kill is not an error."""


class Killer:
    """Dies right after the n-th effect, on Vault or on disk."""

    def __init__(self, patch, die_after: int) -> None:
        self.left = die_after
        for cls, methods in ((Client, STEPS), (Role, ("id", "new_secret_id")), (Home, ("write",))):
            for name in methods:
                patch.setattr(cls, name, self._deadly(getattr(cls, name)))

    def _deadly(self, real):
        def call(*args, **kwargs):
            found = real(*args, **kwargs)
            self.left -= 1
            if self.left == 0:
                raise Killed
            return found

        return call


def as_after_init(bao) -> None:
    """Open, with a root token, and nothing else in it."""
    root = bao.ask("POST", "auth/token/create", bao.master, {"policies": ["root"], "no_parent": True})
    for path in ("sys/mounts/kv", "sys/auth/approle", "sys/policy/kes", "sys/policy/kesdeploy"):
        bao.ask("DELETE", path, bao.master)
    for name in opening.FORGOTTEN:
        bao.home.secret(name).unlink(missing_ok=True)
    opening.keep(bao.work, opening.kept(bao.work) | {"root_token": root["auth"]["client_token"]})


def killed_at(bao, step: int) -> bool:
    """Whether there was such a step."""
    with pytest.MonkeyPatch.context() as patch:
        Killer(patch, step)
        try:
            VAULT.bootstrap(bao.work)
        except Killed:
            return True
        return False


@pytest.mark.parametrize("shared", ["shares"], indirect=True)
def test_killed_after_each_effect_the_next_run_finishes(bao):
    step = 1
    as_after_init(bao)
    while killed_at(bao, step):
        VAULT.bootstrap(bao.work)
        assert VAULT.unsettled(bao.work) is None, step
        assert VAULT.state(bao.work) == "ok", step
        assert "root_token" not in opening.kept(bao.work), step
        as_after_init(bao)
        step += 1
    assert step > 20
    assert bao.told.warnings == []


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from bao import Bao, spec_of
from kesdeploy.clients.approle import Role
from kesdeploy.clients.vault import Vault as Client
from kesdeploy.home import Home
from kesdeploy.keystores.vault import Vault
real = Client.init
def init(self, **options):
    answer = real(self, **options)
    os.kill(os.getpid(), signal.SIGKILL)
Client.init = init
bao = Bao.__new__(Bao)
bao.home, bao.told = Home("demo", Path({root!r})), None
bao.spec = spec_of({fields!r}, {port})
Vault().bootstrap(bao.work)
"""


@pytest.mark.parametrize("fields", ["seal: static", "seal: shares"])
def test_killed_between_init_and_its_answer(fresh, fields):
    bao = fresh(fields)
    tests = str(Path(__file__).parent)
    script = SCRIPT.format(tests=tests, root=str(bao.home.root), fields=fields, port=bao.spec.network.vault_port)
    killed = subprocess.run(
        [sys.executable, "-c", script], check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert killed.returncode == -signal.SIGKILL
    assert VAULT.state(bao.work) in ("SEALED", "DENIED")
    assert not bao.home.secret(names.INIT).exists()

    with pytest.raises(StartOver) as found:
        VAULT.bootstrap(bao.work)
    bao.stop()
    shutil.rmtree(bao.home.path(found.value.folder))
    bao.home.make(found.value.folder)
    bao.start()
    VAULT.bootstrap(bao.work)
    assert (VAULT.state(bao.work), VAULT.unsettled(bao.work)) == ("ok", None)
