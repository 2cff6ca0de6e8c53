"""A KES and a MinIO to talk to, either the stand-ins or the real images, with the certificates that they need."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

KES_IMAGE = "quay.io/minio/kes:2025-03-12T09-35-18Z"
MINIO_IMAGE = "quay.io/minio/minio:RELEASE.2025-04-22T22-12-26Z"
ROOT = ("proto-root", "proto-root-password")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def pem(key):
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())


def identity_of(key):
    spki = key.public_key().public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def api_key(key):
    seed = key.private_bytes(form.Encoding.Raw, form.PrivateFormat.Raw, form.NoEncryption())
    return "kes:v1:" + base64.b64encode(b"\0" + seed).decode()


def certificate(key, *, name="proto", issuer=None, ca=False, san=()):
    """One certificate: self-signed, or signed by `issuer` = (certificate, key)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signer = issuer[1] if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if san:
        names = [x509.IPAddress(ipaddress.ip_address(s)) if s[0].isdigit() else x509.DNSName(s) for s in san]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, None if isinstance(signer, Ed25519PrivateKey) else hashes.SHA256())


@dataclass
class Client:
    """A key pair on disk, and who it is for KES."""

    folder: Path
    name: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    ca: bool = False

    def __post_init__(self):
        self.cert_file, self.key_file = self.folder / f"{self.name}.crt", self.folder / f"{self.name}.key"
        self.cert_file.write_bytes(certificate(self.key, name=self.name, ca=self.ca).public_bytes(form.Encoding.PEM))
        self.key_file.write_bytes(pem(self.key))

    @property
    def identity(self):
        return identity_of(self.key)

    @property
    def api_key(self):
        return api_key(self.key)


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["message"]


class Process:
    """A server: a child process (stand-in) or a container on the host's network (live)."""

    def __init__(self, argv, *, env=None, folder):
        self.out, self.err = folder / "stdout.txt", folder / "stderr.txt"
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(argv, stdout=out, stderr=err, env=env, cwd=folder)

    def wait(self, timeout=20):
        return self.process.wait(timeout)

    def signal(self, number):
        self.process.send_signal(number)

    def stderr(self):
        return self.err.read_text()

    def stdout(self):
        return self.out.read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Container(Process):
    def __init__(self, name, image, args, *, mounts, env=None, folder, entrypoint=""):
        self.name = name
        argv = ["podman", "run", "--rm", "--name", name, "--network", "host", "--stop-timeout", "5"]
        argv += [a for m in mounts for a in ("-v", f"{m}:{m}")]
        argv += ["--entrypoint", entrypoint]
        argv += [a for k, v in (env or {}).items() for a in ("-e", f"{k}={v}")]
        super().__init__([*argv, *image, *args], folder=folder)

    def signal(self, number):
        name = signal.Signals(number).name
        subprocess.run(["podman", "kill", "-s", name, self.name], check=True, capture_output=True)

    def stop(self):
        subprocess.run(["podman", "rm", "-f", "-t", "5", self.name], check=False, capture_output=True)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)


def have_image(reference):
    if subprocess.run(["sh", "-c", "command -v podman"], check=False, capture_output=True).returncode:
        return False
    found = subprocess.run(["podman", "image", "exists", reference], check=False, capture_output=True)
    return found.returncode == 0


class World:
    """Starts servers of one kind and stops them all."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, folder
        self.started = []
        self.ca_key = ec.generate_private_key(ec.SECP256R1())
        self.ca = certificate(self.ca_key, name="proto CA", ca=True)
        self.ca_file = folder / "ca.crt"
        self.ca_file.write_bytes(self.ca.public_bytes(form.Encoding.PEM))
        self.server_pair("server")
        self.operator, self.minio, self.stranger = (Client(folder, n) for n in ("operator", "minio", "stranger"))

    def server_pair(self, name):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = certificate(key, name=name, issuer=(self.ca, self.ca_key), san=("localhost", "127.0.0.1"))
        (self.folder / f"{name}.crt").write_bytes(leaf.public_bytes(form.Encoding.PEM))
        (self.folder / f"{name}.key").write_bytes(pem(key))
        return leaf

    def run(self, component, args, *, env=None):
        folder = self.folder / f"{component}-{len(self.started)}"
        folder.mkdir()
        if self.kind == "live":
            image = [KES_IMAGE if component == "kes" else MINIO_IMAGE]
            entry = "/kes" if component == "kes" else "/usr/bin/minio"
            name = f"hc-{component}-{os.getpid()}-{len(self.started)}"
            process = Container(name, image, args, mounts=[self.folder], env=env, folder=folder, entrypoint=entry)
        else:
            # Flags before `-m`, as the launchers of the image have them.
            argv = [sys.executable, "-m", f"kesdeploy.sandbox.{component}", *args]
            process = Process(argv, env={**os.environ, **(env or {})}, folder=folder)
        self.started.append(process)
        return process

    def stop(self):
        for process in reversed(self.started):
            process.stop()


@dataclass
class Kes:
    """A KES that runs. `ask` is one request as one client."""

    world: World
    port: int
    process: Process
    config: Path

    def ask(self, method, path, body=None, *, client=None, raw=None):
        client = client or self.world.operator
        context = ssl.create_default_context(cafile=str(self.world.ca_file))
        if client != "nobody":
            context.load_cert_chain(client.cert_file, client.key_file)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
        try:
            data = raw if raw is not None else json.dumps(body) if body is not None else None
            connection.request(method, path, data)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def wait(self, deadline=20.0):
        end = time.monotonic() + deadline
        while True:
            try:
                return self.ask("GET", "/version")
            except OSError:
                if time.monotonic() > end or self.process.process.poll() is not None:
                    raise RuntimeError(self.process.stderr()) from None
                time.sleep(0.02)


def kes_config(world, port, **changes):
    """A configuration as data; `changes` replace top-level sections (None removes one)."""
    keys = world.folder / "keys"
    operator = {
        "allow": ["/v1/key/*", "/v1/status", "/v1/ready", "/v1/metrics", "/v1/api", "/v1/policy/*", "/v1/identity/*"],
        "identities": [world.operator.identity],
    }
    allowed = ["/v1/key/create/*", "/v1/key/generate/*", "/v1/key/decrypt/*", "/v1/key/describe/*", "/v1/key/list/*"]
    minio = {
        "allow": [*allowed, "/v1/status"],
        "deny": ["/v1/key/create/guarded"],
        "identities": [world.minio.identity],
    }
    found = {
        "version": "v1",
        "address": f"127.0.0.1:{port}",
        "admin": {"identity": "disabled"},
        "tls": {"key": str(world.folder / "server.key"), "cert": str(world.folder / "server.crt")},
        "policy": {"operator": operator, "minio": minio},
        "keystore": {"fs": {"path": str(keys)}},
    }
    return {k: v for k, v in {**found, **changes}.items() if v is not None}


def start_kes(world, *, port=None, **changes):
    port = port or free_port()
    path = world.folder / f"kes-{port}.yaml"
    path.write_text(json.dumps(kes_config(world, port, **changes)))
    process = world.run("kes", ["server", "--config", str(path)])
    kes = Kes(world, port, process, path)
    kes.wait()
    return kes


@dataclass
class Minio:
    """A MinIO that runs. `ask` is one signed request, `sdk` the official client."""

    port: int
    process: Process
    data: Path
    env_file: Path
    scheme: str = "http"

    def ask(self, method, path, body=b"", *, headers=None, user=ROOT, signed=True):
        found = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        if signed:
            found = sign(method, path, found, body, user)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in found.items():
                connection.putheader(name, value)
            if "Content-Length" not in found and (body or method in ("PUT", "POST")):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def sdk(self):
        from minio import Minio as Sdk

        return Sdk(f"127.0.0.1:{self.port}", *ROOT, secure=False, region="us-east-1")

    def wait(self, deadline=20.0):
        """Until it is initialised: the real server listens before it is, and answers 503 until then."""
        end = time.monotonic() + deadline
        while True:
            with suppress(OSError):
                if self.ask("GET", "/").status == 200:
                    return
            if time.monotonic() > end or self.process.process.poll() is not None:
                raise RuntimeError(self.process.stderr())
            time.sleep(0.02)


def sign(method, path, headers, body, user):
    """Signature Version 4 in headers, written for the tests alone so that both sides are judged by a third."""
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    raw, _, query = path.partition("?")
    pairs = sorted(p if "=" in p else p + "=" for p in query.split("&") if p)
    payload = hashlib.sha256(body).hexdigest()
    found = {**headers, "x-amz-date": now, "x-amz-content-sha256": headers.get("x-amz-content-sha256", payload)}
    signed = {k.lower(): " ".join(str(v).split()) for k, v in found.items()}
    names = ";".join(sorted(signed))
    lines = "".join(f"{k}:{signed[k]}\n" for k in sorted(signed))
    canonical = "\n".join((method, raw, "&".join(pairs), lines, names, signed["x-amz-content-sha256"]))
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    key = ("AWS4" + user[1]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(("AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    value = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={user[0]}/{scope}, SignedHeaders={names}, Signature={value}"
    return {**found, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}


def start_minio(world, kes=None, *, name="data", key="default-key", wait=True, **changes):
    """A MinIO on a folder of that name. `changes` are environment values (None removes one)."""
    port, console = free_port(), free_port()
    data = world.folder / name
    data.mkdir(exist_ok=True)
    env = {"MINIO_ROOT_USER": ROOT[0], "MINIO_ROOT_PASSWORD": ROOT[1]}
    if kes is not None:
        env |= {
            "MINIO_KMS_KES_ENDPOINT": f"https://127.0.0.1:{kes.port}",
            "MINIO_KMS_KES_API_KEY": world.minio.api_key,
            "MINIO_KMS_KES_CAPATH": str(world.ca_file),
            "MINIO_KMS_KES_KEY_NAME": key,
        }
    env = {k: v for k, v in {**env, **changes}.items() if v is not None}
    env_file = world.folder / f"minio-{port}.env"
    env_file.write_text("".join(f'{k}="{v}"\n' for k, v in env.items()))
    args = ["server", str(data), "--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{console}"]
    args += ["--certs-dir", str(world.folder / "certs")]
    process = world.run("minio", args, env={"MINIO_CONFIG_ENV_FILE": str(env_file)})
    minio = Minio(port, process, data, env_file)
    if wait:
        minio.wait()
    return minio
