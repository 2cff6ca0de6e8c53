"""The life of the server: start, SIGHUP, SIGTERM."""

from __future__ import annotations

import ipaddress
import signal
import threading
import time
from typing import TYPE_CHECKING

from kesdeploy.sandbox.kes import api, config, keystore, tls
from kesdeploy.sandbox.kes.flags import Fatal, Flags
from kesdeploy.sandbox.kes.identity import rules
from kesdeploy.sandbox.kes.log import Log, level
from kesdeploy.sandbox.kes.state import State
from kesdeploy.sandbox.notice import HEADER, VERSION, log_line, out, say, server_header
from kesdeploy.sandbox.web import Request, Response, Server

if TYPE_CHECKING:
    from OpenSSL import SSL

    from kesdeploy.sandbox.kes.config import Config

GRACE = 1.0  # seconds that running requests get after SIGTERM
_TLS_AGE = 15 * 60  # seconds after which the certificate is read again
_ENDS = (signal.SIGTERM, signal.SIGINT)


class Running:
    """A server that listens. Reading `state` or `context` is safe at any time; a reload replaces both."""

    def __init__(self, flags: Flags, state: State, context: SSL.Context) -> None:
        self._flags = flags
        self.state = state
        self.context = context

    def respond(self, request: Request) -> Response:
        return self.state.answer(request)

    def reload(self) -> None:
        """Everything but the address, or nothing: a bad file leaves the old configuration in force."""
        say("SIGHUP signal received. Reloading configuration...")
        try:
            new = config.read(self._flags.config)
            context = tls.context(new.tls)
            cached = keystore.Cached(keystore.connect(new.keystore), new.cache)
        except Fatal as error:
            say(f"Failed to reload server config: {error}")
            return
        try:
            self._replace(new, context, cached)
        except Fatal as error:
            say(f"Failed to update server configuration: {error}")
            return
        _banner(new, cached, self._flags, "=> Reloading configuration after SIGHUP signal completed.")

    def _replace(self, new: Config, context: SSL.Context, cached: keystore.Cached) -> None:
        old = self.state
        log = Log(new.error_level, new.audit_level)
        self.state = State(new, rules(new.admin, new.policies), cached, log, old.metrics, old.started)
        self.context = context
        old.keys.close()

    def reload_tls(self) -> None:
        """Every 15 minutes, whether or not anything changed."""
        try:
            self.context = tls.context(config.read(self._flags.config).tls)
        except Fatal as error:
            say(f"Failed to reload TLS configuration: {error}")


def run(flags: Flags) -> None:
    """Serve until SIGTERM. Raises Fatal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # a container's first process would not be ended by them
    say(log_line("KES"))
    found = config.read(flags.config)
    host, port = _address(flags.addr or found.address or "0.0.0.0:7373")
    context = tls.context(found.tls)
    cached = keystore.Cached(keystore.connect(found.keystore), found.cache)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
    _banner(found, cached, flags, "=> Server is up and running...")
    log = Log(found.error_level, found.audit_level)
    state = State(found, rules(found.admin, found.policies), cached, log, api.new_metrics(), time.time_ns())
    _serve(Running(flags, state, context), host, port)


def _serve(running: Running, host: str, port: int) -> None:
    try:
        server = Server(
            (host, port),
            running.respond,
            name=server_header("kes"),
            handshake=tls.handshake(lambda: running.context),
            headers={HEADER: "true"},
            failed=lambda who, why: running.state.journal.info(
                f"http: TLS handshake error from {who}: {tls.words(why)}"
            ),
        )
    except OSError as error:
        why = f"bind: {(error.strerror or str(error)).lower()}"
        raise Fatal(f"listen tcp {host}:{port}: {why}") from error
    server.start()
    threading.Thread(target=_refresh, args=(running,), daemon=True).start()
    while signal.sigwait((*_ENDS, signal.SIGHUP)) == signal.SIGHUP:
        running.reload()
    server.stop(GRACE)
    out("\n=> Stopping server... Goodbye.")


def _refresh(running: Running) -> None:
    while True:
        time.sleep(_TLS_AGE)
        running.reload_tls()


def _address(text: str) -> tuple[str, int]:
    """`ip:port` or `:port`; names are refused, as by the real server."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise Fatal(f"address {text}: missing port in address")
    host = host.strip("[]")
    if host:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise Fatal(f"'{host}' is not a valid IP address") from None
    if not port.isdigit():
        raise Fatal(f"listen tcp: lookup tcp/{port}: unknown port")
    return host, int(port)


def _banner(found: Config, cached: keystore.Cached, flags: Flags, last: str) -> None:
    hexadecimal = all(c in "0123456789abcdefABCDEF" for c in found.admin) and len(found.admin) % 2 == 0
    rows = {
        "Version": VERSION,
        "Stand-in": "by kesdeploy; not KES, never for production",
        "KMS": str(cached.store),
        "API": f"· https://{flags.addr or found.address or '0.0.0.0:7373'}",
        "Admin": found.admin if hexadecimal else "<disabled>",
        "Logs": f"error=stderr level={level(found.error_level)}, audit=stdout level={level(found.audit_level)}",
    }
    lines = "\n".join(f"{name:<11} {value}" for name, value in rows.items())
    out(f"{lines}\n\n{last}\n")
