"""Who trusts whom, in a deployment in memory: what KES, MinIO and a user would do with the files as they are.

KES reads its configuration when it starts or gets SIGHUP. MinIO reads its env file when it starts and its client pair
also on SIGHUP, and stays who it was on a connection that goes on; that ends when KES, or MinIO, is started again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from core_fixtures import World, _Door

from kesdeploy import handover, pki, services
from kesdeploy.clients.minio import KeyStatus
from kesdeploy.errors import CertificateError, ServiceError
from kesdeploy.home import Home
from kesdeploy.topology.kes import nobodys_key

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from kesdeploy.spec import Spec

KES, MINIO = "fs-kes-server", "fs-minio-server"


class Killed(BaseException):
    """No handler may catch it: a kill is not an error."""


@dataclass
class Trust:
    """One deployment's credentials, as its servers have them now."""

    world: World
    policies: dict[str, str] = field(default_factory=dict)
    """KES's, by identity."""
    minio: str = ""
    connected: str = ""
    password: str = ""
    effects: int = 0
    kill_after: int = 0
    halves: list[str] = field(default_factory=list)
    """When MinIO could not have reached KES, had it been started just then."""

    @classmethod
    def over(cls, world: World, monkeypatch: pytest.MonkeyPatch) -> Trust:
        made = cls(world)
        world.engine.on_call = made._called
        monkeypatch.setattr(services, "kes", made._kes)
        monkeypatch.setattr("kesdeploy.clients.kes.Kes", made._stranger)
        monkeypatch.setattr(services, "minio", made._minio)
        write = Home.write
        monkeypatch.setattr(Home, "write", lambda *a, **k: (write(*a, **k), made._after(f"write {a[1]}"))[0])
        return made

    # --- what the servers do

    def _called(self, call: tuple[str, ...]) -> None:
        self.world._called(call)
        if call[0] in ("start", "signal") and call[1:3] != (MINIO, "SIGKILL"):
            {KES: self._kes_reads, MINIO: self._minio_reads}[call[1]](started=call[0] == "start")
        self._after(" ".join(call))

    def _kes_reads(self, *, started: bool) -> None:
        self.policies = self.named()
        if started:
            self.connected = self.minio

    def _minio_reads(self, *, started: bool) -> None:
        self.minio = self.present()
        if started:
            self.connected, self.password = self.minio, self._env()["MINIO_ROOT_PASSWORD"]

    def _env(self) -> dict[str, str]:
        lines = (self.world.home.read("config/minio/minio") or b"").decode().splitlines()
        pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
        return {name: value.strip('"') for name, _, value in pairs}

    def named(self) -> dict[str, str]:
        """Whom KES's configuration on disk names: policies by identity."""
        text = self.world.home.read("config/kes/kes-config.yaml")
        return dict(_policies(text)) if text else {}

    def present(self) -> str:
        """Who MinIO is by the files that it reads; empty between two writes of a pair."""
        if key := self._env().get("MINIO_KMS_KES_API_KEY"):
            return pki.identity(pki.key_of(key))
        pair = [self.world.home.read(f"config/minio/client.{half}") for half in ("crt", "key")]
        owners = {pki.identity(half) for half in pair if half}
        return owners.pop() if len(owners) == 1 else ""

    # --- the doors

    def _ask(self, identity: str) -> None:
        if identity not in self.policies:
            raise ServiceError("KES refuses", because="not authorized: insufficient permissions", status=403)

    def _kes(self, spec: Spec, home: Home, *, identity: str = "operator", timeout: float = 1) -> _Door:
        crt, key = (file.read_bytes() for file in home.identity(identity))
        if pki.identity(crt) != pki.identity(key):
            raise CertificateError("the pair does not match")
        return _Known(self.world.kes, identity, self, pki.identity(crt))

    def _stranger(self, _: str, __: Any, certificate: Path, *___: Any, **____: Any) -> _Door:
        shown = certificate.read_bytes()
        foreign = "kesdeploy" not in pki.describe(shown).issuer
        return _CutOff() if foreign else _Known(self.world.kes, "", self, pki.identity(shown))

    def _minio(
        self, spec: Spec, home: Home, *, timeout: float = 1, login: tuple[str, str] | None = None
    ) -> _Door | object:
        if (login or services.root(spec, home))[1] != self.password:
            return _Refusing()
        door = self.world.store.door(spec, home)
        door.key_status = self._key_status  # type: ignore[method-assign]
        return door

    def _key_status(self, key: str) -> KeyStatus:
        policy = self.policies.get(self.connected, "")
        if not policy or (policy == "minio-former" and key == nobodys_key(self.world.spec)):
            return KeyStatus(key, handover.NOT_ALLOWED, "")
        return KeyStatus(key, "" if key in self.world.kes.keys else handover.NO_SUCH_KEY, "")

    # --- what must be true at every moment

    def _after(self, what: str) -> None:
        self._look(what)
        self.effects += 1
        if self.effects == self.kill_after:
            raise Killed

    def _look(self, what: str) -> None:
        present = self.present()
        if not self.policies or not present or not self.minio:
            return
        if self.connected not in self.policies:
            self.halves.append(f"{what}: KES refuses MinIO")
        if present not in self.policies or present not in self.named():
            self.halves.append(f"{what}: KES would refuse a MinIO that starts now")


@cache
def _policies(text: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, policy in yaml.safe_load(text)["policy"].items():
        for identity in policy["identities"]:
            assert identity not in found, "KES refuses an identity with two policies"
            found[identity] = name
    return found


@dataclass
class _Known(_Door):
    trust: Trust
    who: str

    def _key(self, name: str) -> bytes:
        self.trust._ask(self.who)
        return super()._key(name)

    def describe_key(self, name: str) -> dict[str, Any]:
        return {**super().describe_key(name), "created_by": self.trust.world.kes.makers.get(name, "")}

    def create_key(self, name: str) -> bool:
        self.trust._ask(self.who)
        self.trust.world.kes.makers[name] = self.who
        return super().create_key(name)

    def describe_identity(self, identity: str) -> dict[str, Any]:
        self.trust._ask(self.who)
        self.trust._ask(identity)
        return {"identity": identity}


class _CutOff:
    """KES, to somebody with a certificate of another CA, where it looks at that."""

    def generate(self, _: str) -> None:
        raise ServiceError("KES does not answer", because="TLS alert: unknown ca")


class _Refusing:
    """MinIO, to somebody with another password."""

    def __getattr__(self, _: str) -> Any:
        def refuse(*_: object, **__: object) -> None:
            raise ServiceError("MinIO refuses", because="SignatureDoesNotMatch", status=403)

        return refuse
