"""The KES API: which paths there are, and what each does."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy.sandbox.kes import keys
from kesdeploy.sandbox.kes.answers import Call, b64, blob, body, empty, fail, reply
from kesdeploy.sandbox.kes.identity import Denied, valid_name, valid_pattern
from kesdeploy.sandbox.kes.keystore import Unavailable, Unreachable, page
from kesdeploy.sandbox.kes.metrics import Metrics
from kesdeploy.sandbox.notice import VERSION
from kesdeploy.sandbox.web import Response

if TYPE_CHECKING:
    from kesdeploy.sandbox.kes.state import State

Handler = Callable[["State", Call], Response]
_LARGE = 1_000_000
_STARTED = time.monotonic()


@dataclass(frozen=True)
class Route:
    """`auth` is one of none, certificate, policy. `timeout` is in seconds, `max_body` in bytes."""

    method: str
    path: str
    handle: Handler
    auth: str = "policy"
    timeout: int = 15
    max_body: int = 0


def _version(_: State, __: Call) -> Response:
    return reply({"version": VERSION, "commit": "kesdeploy-sandbox"})


def _ready(state: State, _: Call) -> Response:
    try:
        state.keys.status()
    except Unreachable as error:
        state.journal.warn(str(error))
        return fail(504, "key store is not reachable")
    except Unavailable as error:
        state.journal.warn(str(error))
        return fail(502, "key store is unavailable")
    return empty()


def _status(state: State, _: Call) -> Response:
    found = {
        "version": VERSION,
        "os": platform.system().lower(),
        "arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "uptime": round(time.monotonic() - _STARTED),
        "num_cpu": os.cpu_count() or 1,
        "num_cpu_used": os.cpu_count() or 1,
        "mem_heap_used": 0,
        "mem_stack_used": 0,
    }
    try:
        found["keystore_latency"] = max(1, round(state.keys.status()))
    except Unavailable:
        found["keystore_unreachable"] = True
    return reply(found)


def _metrics(state: State, _: Call) -> Response:
    kind = "text/plain; version=0.0.4; charset=utf-8; escaping=values"
    return Response(200, {"Content-Type": kind}, state.metrics.text().encode())


def _api(state: State, _: Call) -> Response:
    def one(route: Route) -> dict[str, object]:
        custom = state.config.routes.get(route.path)
        timeout = int(custom.timeout) if custom and custom.timeout else route.timeout
        return {"method": route.method, "path": route.path, "max_body": route.max_body, "timeout": timeout}

    return reply([one(r) for r in ROUTES])


def _create(state: State, call: Call) -> Response:
    state.keys.create(_key_name(call), keys.generate(call.identity))
    state.journal.audit(f"secret key '{call.name}' created", call, 200)
    return empty()


def _import(state: State, call: Call) -> Response:
    name = _key_name(call)
    bad = "invalid import key request body"
    fields = body(call, bad)
    wanted = fields.get("cipher") or ""
    if wanted not in keys.CIPHERS:
        raise Denied(406, f"algorithm '{wanted}' is not supported")
    secret = blob(fields, "key", bad)
    if len(secret) != keys.SIZE:
        raise Denied(406, f"invalid key size for '{wanted}'")
    state.keys.create(name, keys.generate(call.identity, cipher=keys.CIPHERS[wanted], secret=secret))
    state.journal.audit(f"secret key '{name}' created", call, 200)
    return empty()


def _describe(state: State, call: Call) -> Response:
    key = state.keys.get(_key_name(call))
    found = {"name": call.name, "algorithm": key.algorithm, "created_at": keys.timestamp(key.created_at)}
    return reply(found | ({"created_by": key.created_by} if key.created_by else {}))


def _list(state: State, call: Call) -> Response:
    prefix = _pattern(call)
    names, more = page(state.keys.store.names(), "" if prefix == "*" else prefix)
    return reply({"names": names} | ({"continue_at": more} if more else {}))


def _delete(state: State, call: Call) -> Response:
    state.keys.delete(_key_name(call))
    state.journal.audit(f"secret key '{call.name}' deleted", call, 200)
    return empty()


def _generate(state: State, call: Call) -> Response:
    name = _key_name(call)
    fields = body(call) if call.request.length else {}
    context = blob(fields, "context")
    plaintext = os.urandom(32)
    return reply({"plaintext": b64(plaintext), "ciphertext": b64(state.keys.get(name).encrypt(plaintext, context))})


def _encrypt(state: State, call: Call) -> Response:
    name, fields = _key_name(call), body(call)
    plaintext, context = blob(fields, "plaintext"), blob(fields, "context")
    return reply({"ciphertext": b64(state.keys.get(name).encrypt(plaintext, context))})


def _decrypt(state: State, call: Call) -> Response:
    name, fields = _key_name(call), body(call)
    ciphertext, context = blob(fields, "ciphertext"), blob(fields, "context")
    try:
        return reply({"plaintext": b64(state.keys.get(name).decrypt(ciphertext, context))})
    except keys.NotAuthentic:
        raise Denied(400, "decryption failed: ciphertext is not authentic") from None


def _hmac(state: State, call: Call) -> Response:
    name, fields = _key_name(call), body(call)
    key, message = state.keys.get(name), blob(fields, "message")
    if not key.mac:
        raise Denied(409, "key does not support HMAC")
    return reply({"hmac": b64(key.sign(message))})


def _policy(state: State, call: Call) -> Response:
    _check_name(call.name, "policy name")
    if call.name not in state.rules.policies:
        raise Denied(404, "policy does not exist")
    return reply({"name": call.name, **state.made})


def _policy_rules(state: State, call: Call) -> Response:
    _check_name(call.name, "policy name")
    policy = state.rules.policies.get(call.name)
    if policy is None:
        raise Denied(404, "policy does not exist")
    rules = {"allow": policy.allow, "deny": policy.deny}
    found: dict[str, dict[str, object]] = {k: {p: {} for p in sorted(ps)} for k, ps in rules.items() if ps}
    return reply({"name": call.name, **found, **state.made})


def _policies(state: State, call: Call) -> Response:
    prefix = _pattern(call).removesuffix("*")
    return reply({"names": sorted(n for n in state.rules.policies if n.startswith(prefix)), "continue_at": ""})


def _identity(state: State, call: Call) -> Response:
    _check_name(call.name, "identity")
    if call.name == state.rules.admin:
        return reply({"admin": True, "created_at": state.made["created_at"]})
    if call.name not in state.rules.names:
        raise Denied(404, "identity does not exist")
    return reply({"policy": state.rules.names[call.name], **state.made})


def _identities(state: State, call: Call) -> Response:
    prefix = _pattern(call).removesuffix("*")
    everyone = [state.rules.admin, *state.rules.names]
    return reply({"identities": sorted(i for i in everyone if i.startswith(prefix)), "continue_at": ""})


def _self(state: State, call: Call) -> Response:
    """Only the admin is ever found, as in the real server."""
    if call.identity != state.rules.admin:
        raise Denied(404, "identity does not exist")
    return reply({"identity": call.identity, "admin": True, "created_at": state.made["created_at"]})


def _key_name(call: Call) -> str:
    _check_name(call.name, "key name")
    return call.name


def _check_name(name: str, what: str) -> None:
    if not valid_name(name):
        raise Denied(400, f"{what} '{name}' is empty, too long or contains invalid characters")


def _pattern(call: Call) -> str:
    if not valid_pattern(call.name):
        raise Denied(400, f"listing pattern '{call.name}' is empty, too long or is invalid")
    return call.name


ROUTES = (
    Route("GET", "/version", _version, auth="none", timeout=10),
    Route("GET", "/v1/ready", _ready),
    Route("GET", "/v1/status", _status),
    Route("GET", "/v1/metrics", _metrics),
    Route("GET", "/v1/api", _api, timeout=10),
    Route("PUT", "/v1/key/create/", _create),
    Route("PUT", "/v1/key/import/", _import, max_body=_LARGE),
    Route("GET", "/v1/key/describe/", _describe),
    Route("GET", "/v1/key/list/", _list),
    Route("DELETE", "/v1/key/delete/", _delete),
    Route("PUT", "/v1/key/encrypt/", _encrypt, max_body=_LARGE),
    Route("PUT", "/v1/key/generate/", _generate, max_body=_LARGE),
    Route("PUT", "/v1/key/decrypt/", _decrypt, max_body=_LARGE),
    Route("PUT", "/v1/key/hmac/", _hmac, max_body=_LARGE),
    Route("GET", "/v1/policy/describe/", _policy),
    Route("GET", "/v1/policy/read/", _policy_rules),
    Route("GET", "/v1/policy/list/", _policies),
    Route("GET", "/v1/identity/describe/", _identity),
    Route("GET", "/v1/identity/list/", _identities),
    Route("GET", "/v1/identity/self/describe", _self, auth="certificate"),
)
COUNTED = tuple(r.path for r in ROUTES if r.path.startswith(("/v1/key/", "/v1/policy/", "/v1/identity/")))


def find(path: str) -> Route | None:
    """The route of a path: exact, or the one whose path ends in `/` and begins it."""
    return next((r for r in ROUTES if path == r.path or (r.path.endswith("/") and path.startswith(r.path))), None)


def new_metrics() -> Metrics:
    return Metrics(_STARTED)
