"""The paths of KES's HTTP API, as they are registered (state.go, 2025-03-12). Where a name follows, they end in '/'."""

from __future__ import annotations

import re

ROUTES = (
    "/version",
    "/v1/ready",
    "/v1/status",
    "/v1/metrics",
    "/v1/api",
    *(
        f"/v1/key/{verb}/"
        for verb in ("create", "import", "describe", "list", "delete", "generate", "encrypt", "decrypt", "hmac")
    ),
    *(f"/v1/policy/{verb}/" for verb in ("describe", "read", "list")),
    *(f"/v1/identity/{verb}/" for verb in ("describe", "list")),
    "/v1/identity/self/describe",
    "/v1/log/error",
    "/v1/log/audit",
)

WITHOUT_IDENTITY = ("/v1/ready", "/v1/status", "/v1/metrics", "/v1/api")
"""What KES's documentation lets anybody ask, when it is so configured."""


def matches(pattern: str, path: str) -> bool:
    """KES's own rule (policy.go of kms-go v0.3.1): a '*' at the end makes a prefix, else the whole path counts."""
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def covers(pattern: str, other: str) -> bool:
    """Whether a pattern matches everything that another one does."""
    if other.endswith("*"):
        return pattern.endswith("*") and other[:-1].startswith(pattern[:-1])
    return matches(pattern, other)


def reaches(pattern: str) -> bool:
    """Whether a policy's pattern matches any request that KES could answer."""
    if pattern.endswith("*") and any(route.startswith(pattern[:-1]) for route in ROUTES):
        return True
    route = next((route for route in ROUTES if route.endswith("/") and pattern.startswith(route)), None)
    return _names(route, pattern.removeprefix(route)) if route else pattern in ROUTES


def _names(route: str, rest: str) -> bool:
    """Whether what follows a route can be a name, or the beginning of one (auth.go, validName and validPattern)."""
    if not rest:
        return route.endswith("/list/")
    return bool(re.fullmatch(r"(?!-)[0-9A-Za-z_-]{0,79}(\*|[0-9A-Za-z_])", rest))
