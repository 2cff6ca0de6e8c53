"""The life of the server: the order of its start is the real one's, because people debug by it."""

from __future__ import annotations

import os
import signal
import ssl
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio import api, config_store, console, settings
from kesdeploy.sandbox.minio.app import App
from kesdeploy.sandbox.minio.buckets import Buckets
from kesdeploy.sandbox.minio.drive import Drive
from kesdeploy.sandbox.minio.errors import Fatal, KmsError
from kesdeploy.sandbox.minio.kms import EXISTS, NO_KEY, NO_PERMISSION, Kms
from kesdeploy.sandbox.notice import HEADER, VERSION, log_line, say, server_header
from kesdeploy.sandbox.web import Handler, PlainWire, Server, Wire

if TYPE_CHECKING:
    import socket

    from kesdeploy.sandbox.minio.settings import Settings

_ENDS = (signal.SIGTERM, signal.SIGINT)
_HEADERS = {HEADER: "true", "Accept-Ranges": "bytes", "Vary": "Origin"}
_GRACE = 0.5  # seconds


class Certificates:
    """TLS when `public.crt` and `private.key` are both there, plain HTTP otherwise, without a word, as the real one."""

    def __init__(self, folder: str) -> None:
        self._pair = Path(folder, "public.crt"), Path(folder, "private.key")
        self.context = self._load() if all(p.is_file() for p in self._pair) else None

    def reload(self) -> None:
        if self.context is not None:
            self.context = self._load()

    def wire(self, sock: socket.socket) -> Wire:
        if self.context is None:
            return PlainWire(sock)
        return PlainWire(self.context.wrap_socket(sock, server_side=True))

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(*self._pair)
        except (OSError, ssl.SSLError) as error:
            raise Fatal(f"Unable to load the TLS configuration: {error}") from error
        return context


def run(argv: list[str]) -> None:
    """Serve until SIGTERM. Raises Fatal."""
    signal.pthread_sigmask(
        signal.SIG_BLOCK, (*_ENDS, signal.SIGHUP)
    )  # a container's first process would not be ended by them
    say(log_line("MinIO"))
    found = settings.read(argv)
    certificates = Certificates(found.certs)
    kms = _connect(found)
    app = _open(found, kms)
    servers = _listen(app, certificates)
    say(f"MinIO stand-in {VERSION}\nAPI: {'https' if certificates.context else 'http'}://{found.address}")
    _wait(app, certificates)
    for server in servers:
        server.stop(_GRACE)
    sys.stderr.flush()
    os._exit(0)  # nothing is left to save, and threads of idle clients would only delay the end


def _connect(found: Settings) -> Kms | None:
    """One data key is made; a missing key is made; being denied is no reason not to start, anything else is."""
    if found.kms is None:
        return None
    kms = Kms(found.kms, found.certs)
    try:
        try:
            kms.generate("", {})
        except KmsError as error:
            if error.code != NO_KEY.code:
                raise
            kms.create(kms.default_key)
    except KmsError as error:
        if error.code not in (NO_PERMISSION.code, EXISTS.code):
            raise Fatal(f"Failed to connect to KMS: {error}") from error
    threading.Thread(target=_stay_known, args=(kms,), daemon=True).start()
    return kms


def _open(found: Settings, kms: Kms | None) -> App:
    # Every drive is marked as ours; one is enough for the data.
    drive, *others = (Drive(root) for root in found.drives)
    for each in (drive, *others):
        each.prepare()
    if found.auto_encryption and kms is None:
        raise Fatal("MINIO_KMS_AUTO_ENCRYPTION requires a valid KMS configuration: no KMS configured")
    failed = config_store.load(drive, kms)
    if failed:
        say(f"Error: Unable to initialize config, some features may be missing: {failed}")
        say(f"Error: IAM sub-system is partially initialized, unable to write the IAM format: {failed}")
    return App(found, drive, Buckets(drive), kms, found.auto_encryption and not failed, uuid.uuid4().hex)


def _listen(app: App, certificates: Certificates) -> list[Server]:
    servers = [_server(app.settings.address, lambda request: api.answer(app, request), certificates)]
    if app.settings.console:
        servers.append(_server(app.settings.console, console.answer, certificates))
    for server in servers:
        server.start()
    return servers


def _server(address: str, respond: Handler, certificates: Certificates) -> Server:
    host, _, port = address.rpartition(":")
    try:
        where = (host.strip("[]"), int(port))
        return Server(where, respond, name=server_header("minio"), handshake=certificates.wire, headers=_HEADERS)
    except ValueError:
        raise Fatal(f"Invalid address {address}") from None
    except OSError as error:
        why = f"listen tcp {address}: bind: {(error.strerror or '').lower()}"
        raise Fatal(f"Unable to start the server: {why}") from error


def _wait(app: App, certificates: Certificates) -> None:
    """Until SIGTERM. SIGHUP reloads certificates; where there are none it ends the process, as with the real server."""
    with_files = app.settings.kms is not None and bool(app.settings.kms.cert_file)
    while signal.sigwait((*_ENDS, signal.SIGHUP)) == signal.SIGHUP:
        if certificates.context is None and not with_files:
            _die_of_hangup()
        _reload(app, certificates)
    say("INFO: Exiting on signal: TERMINATED")


def _reload(app: App, certificates: Certificates) -> None:
    try:
        certificates.reload()
        if app.kms is not None:
            app.kms.reload()
    except (Fatal, OSError) as error:
        say(f"Error: {error}")


def _die_of_hangup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))
    os.kill(os.getpid(), signal.SIGHUP)
    os._exit(2)  # a container's first process survives its own signals; the real one then ends with 2


def _stay_known(kms: Kms) -> None:
    """Ask for the default key every 10 seconds, which keeps the connection, and with it the old certificate, in use."""
    while True:
        time.sleep(10)
        with suppress(KmsError):
            kms.describe(kms.default_key)
