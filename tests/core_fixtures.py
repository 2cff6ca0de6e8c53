"""A deployment in memory: real files, a remembered engine, and doors behind which nobody serves.

For order and decisions only; that anything works is proven elsewhere, on the real engine.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

from memory_engine import MemoryEngine

from kesdeploy import apply, gate, keystores, observe, services, spec, topology
from kesdeploy.clients.kes import DataKey
from kesdeploy.clients.minio import Head, KeyStatus
from kesdeploy.deployment import Deployment
from kesdeploy.engines import Image
from kesdeploy.errors import ServiceError
from kesdeploy.home import Home
from kesdeploy.images import Chosen
from kesdeploy.keystores import Pick, Site
from kesdeploy.plan import Plan, diff
from kesdeploy.report import Silent
from kesdeploy.state import StateFile

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from kesdeploy.resources import Resource
    from kesdeploy.spec import Spec

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
IMAGES = {
    "kes": Pick("sha256:" + "1" * 64, ("/kes",)),
    "minio": Pick("sha256:" + "2" * 64, ("/usr/bin/minio",)),
    "openbao": Pick("sha256:" + "3" * 64, ("/bin/bao",)),
    "vault": Pick("sha256:" + "4" * 64, ("/bin/vault",)),
}
SITE = Site("/home/me/minio-kes-fs", "1000:1000", IMAGES)


def spec_of(text: str = "name: fs\nkeystore: {fs: {}}\n", **overrides: Any) -> Spec:
    """A Spec; `__` in a name stands for a dot of its path."""
    dotted = {path.replace("__", "."): value for path, value in overrides.items()}
    return spec.load(text, dotted, keystores.FIELDS)


# As KES 2025-03-12 answers, without its comments.
KES_METRICS = """\
kes_http_request_active 0
kes_http_request_error{code="404"} 1
kes_http_request_success{code="200"} 26
kes_http_response_time_bucket{le="0.01"} 27
kes_http_response_time_bucket{le="0.05"} 27
kes_http_response_time_bucket{le="+Inf"} 27
kes_http_response_time_sum 0.009432007000000001
kes_http_response_time_count 27
kes_log_audit_events 0
kes_system_up_time 23.52
"""

VAULT = "name: vault\nkeystore: {vault: {}}\n"


@dataclass
class Keys:
    """A KES and its keystore: keys by name. Replacing one is what a lost keystore looks like."""

    keys: dict[str, bytes] = field(default_factory=dict)
    makers: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=lambda: {"stranger"})
    """Identities that no policy names."""
    about: dict[str, dict[str, str]] = field(default_factory=dict)
    """What KES tells of a key besides its name."""
    silent: bool = False
    served: int = 0
    """Requests beside the 27 of `KES_METRICS`."""
    lost: bool = False
    """It answers, and does not reach its keystore."""

    def door(self, _: Spec, home: Home, *, identity: str = "operator", timeout: float = 1) -> _Door:
        return _Door(self, identity)


@dataclass
class _Door:
    kes: Keys
    identity: str

    def _key(self, name: str) -> bytes:
        self.ready()
        if self.identity in self.kes.denied:
            raise ServiceError("KES refuses", because="not authorized: insufficient permissions", status=403)
        if name not in self.kes.keys:
            raise ServiceError("KES refuses", because="key does not exist", status=404)
        return self.kes.keys[name]

    def ready(self) -> None:
        if self.kes.silent:
            raise ServiceError("KES does not answer", because="connection refused")
        if self.kes.lost:
            raise ServiceError("KES is not ready", because="key store is not reachable", status=504)

    def version(self) -> str:
        return "test"

    def status(self) -> dict[str, Any]:
        self.ready()
        return {"version": "test", "uptime": 7, "keystore_latency": 2}

    def metrics(self) -> str:
        self.ready()
        return KES_METRICS.replace(" 26\n", f" {26 + self.kes.served}\n")

    def describe_key(self, name: str) -> dict[str, Any]:
        self._key(name)
        return {"name": name, **self.kes.about.get(name, {})}

    def create_key(self, name: str) -> bool:
        self.kes.keys[name] = secrets.token_bytes(16)
        return True

    def delete_key(self, name: str) -> None:
        self._key(name)
        del self.kes.keys[name]

    def describe_identity(self, identity: str) -> dict[str, Any]:
        return {"identity": identity}

    def generate(self, name: str, context: bytes = b"") -> DataKey:
        plaintext = secrets.token_bytes(32)
        return DataKey(plaintext, b"|".join((self._key(name).hex().encode(), context, plaintext.hex().encode())))

    def decrypt(self, name: str, ciphertext: bytes, context: bytes = b"") -> bytes:
        key, given, plaintext = ciphertext.split(b"|")
        if self._key(name).hex().encode() != key or given != context:
            raise ServiceError("KES refuses", because="ciphertext is not authentic", status=400)
        return bytes.fromhex(plaintext.decode())


@dataclass
class Store:
    """A MinIO: buckets with their rules."""

    rules: dict[str, tuple[str, str | None] | None] = field(default_factory=dict)
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    root: Path | None = None
    clear: bool = False
    """Auto-encryption is off though it was asked for."""
    wrong: str = ""
    silent: bool = False
    key: str = spec.DEFAULT_KEY

    def door(self, _: Spec, home: Home, *, timeout: float = 1) -> Store:
        self.root = home.path("minio")
        return self

    def ready(self) -> None:
        if self.silent:
            raise ServiceError("MinIO is not ready", because="HTTP 503")

    def key_status(self, key: str) -> KeyStatus:
        return KeyStatus(key, self.wrong, "")

    def kms_metrics(self) -> dict[str, Any]:
        self.ready()
        return {
            "kms_req_success": 11,
            "kms_req_error": 1,
            "kms_req_failure": 0,
            "kms_resp_time": {"10000000": 11, "50000000": 12, "100000000": 12},
        }

    def ensure_bucket(self, bucket: str) -> None:
        self.rules.setdefault(bucket, None)

    def bucket_encryption(self, bucket: str) -> tuple[str, str | None] | None:
        if bucket not in self.rules:
            raise ServiceError("no such bucket", status=404)
        return self.rules[bucket]

    def set_bucket_encryption(self, bucket: str, mode: str, key: str | None) -> None:
        self.rules[bucket] = (mode, key)

    def clear_bucket_encryption(self, bucket: str) -> None:
        self.rules[bucket] = None

    def put(self, bucket: str, name: str, data: bytes) -> None:
        self.objects[bucket, name] = data
        assert self.root
        file = self.root / bucket / name / "xl.meta"
        file.parent.mkdir(parents=True)
        sealed = b"X-Minio-Internal-Server-Side-Encryption-Kms-Sealed-Key" + bytes(b ^ 0x55 for b in data)
        file.write_bytes(data if self.clear else sealed)

    def get(self, bucket: str, name: str) -> bytes:
        return self.objects[bucket, name]

    def head(self, bucket: str, name: str) -> Head:
        size = len(self.objects[bucket, name])
        return Head("", "", size) if self.clear else Head("aws:kms", self.key, size)

    def remove(self, bucket: str, name: str) -> None:
        del self.objects[bucket, name]


@dataclass
class World:
    """One deployment and everything around it. `up` is one run of the command's heart."""

    spec: Spec
    home: Home
    engine: MemoryEngine
    kes: Keys
    store: Store
    now: datetime = NOW
    images: dict[str, Pick] = field(default_factory=lambda: dict(IMAGES))
    version: str = "2025-03-12T09-35-18Z"
    taken: set[int] = field(default_factory=set)
    served: dict[int, bytes] = field(default_factory=dict)

    @property
    def deployment(self) -> Deployment:
        """A new run: the state is read from disk again."""
        state = StateFile.open(self.home)
        return Deployment(self.spec, self.home, self.engine, state, Silent(), 1, self.now, Event())

    @property
    def desired(self) -> tuple[Resource, ...]:
        return topology.desired(self.spec, Site(str(self.home.root), "1000:1000", self.images))

    def plan(self) -> Plan:
        wanted = self.desired
        return diff(wanted, observe.observe(self.deployment, wanted))

    def up(self) -> Plan:
        plan = self.plan()
        apply.apply(plan, self.deployment)
        return plan

    def want(self, **overrides: Any) -> None:
        self.spec = spec_of(self.spec.text(), **overrides)

    def later(self, days: int) -> None:
        self.now += timedelta(days=days)

    def rewire(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the doors in their places; again after an `undo`."""
        monkeypatch.setenv("KESDEPLOY_HOME", str(self.home.root.parent))
        monkeypatch.setattr(services, "kes", self.kes.door)
        monkeypatch.setattr("kesdeploy.clients.kes.Kes", lambda *_, **__: _Door(self.kes, "stranger"))
        monkeypatch.setattr(services, "minio", self.store.door)
        monkeypatch.setattr("kesdeploy.clients.served_certificate", lambda _, port, **__: self.served[port])
        monkeypatch.setattr("kesdeploy.verify.served_certificate", lambda _, port, **__: self.served[port])

    def command_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the commands themselves find this world: its engine, its images, its clock."""
        monkeypatch.setattr("kesdeploy.opening.open_engine", lambda *_: self.engine)
        monkeypatch.setattr("kesdeploy.teardown.open_engine", lambda *_: self.engine)
        monkeypatch.setattr("kesdeploy.opening.clock", lambda: self.now)
        monkeypatch.setattr("kesdeploy.images.choose", self._choose)
        monkeypatch.setattr("kesdeploy.ports.is_free", lambda _, port: port not in self.taken)
        self.home.remove()

    def _choose(self, _: MemoryEngine, *, components: tuple[str, ...], mode: str, **rest: Any) -> dict[str, Chosen]:
        sandbox, found = mode == "sandbox", {}
        for name in components:
            reference = rest["overrides"].get(name, f"example.org/{name}:{self.version}")
            identifier = "sha256:" + hashlib.sha256(f"{reference}{sandbox}".encode()).hexdigest()
            self.engine.known[identifier] = Image(identifier, (reference,), "", 1, "amd64", {})
            version = reference.rpartition(":")[2]
            found[name] = Chosen(name, reference, identifier, "", (f"/{name}",), version, sandbox)
        return found

    def _called(self, call: tuple[str, ...]) -> None:
        """What a server does when it is started, or told to read again."""
        if call[0] not in ("start", "signal"):
            return
        part = call[1].removeprefix(f"{self.home.name}-")
        leaf = self.home.read(f"certs/{part}/public.crt")
        if leaf:
            self.served[services.port(self.spec, part)] = leaf
        if call[0] == "signal" and part == "kes-server":
            self.engine.says(call[1], gate.RELOADED)


def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Spec | None = None) -> World:
    """A deployment of which nothing is there yet."""
    monkeypatch.setenv("KESDEPLOY_HOME", str(tmp_path))
    wanted = wanted or spec_of()
    made = World(wanted, Home.of(wanted.name), MemoryEngine(), Keys(), Store())
    made.home.prepare()
    made.engine.on_call = made._called
    made.rewire(monkeypatch)
    return made


def with_image(site: Site, component: str, image: str) -> Site:
    return replace(site, images={**site.images, component: replace(site.images[component], image=image)})
