"""The paths of KES's HTTP API, as they are registered (state.go, 2025-03-12). Where a name follows, they end in '/'."""

from __future__ import annotations

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


def reaches(pattern: str) -> bool:
    """Whether a policy's pattern matches any request: a prefix with a '*' at the end, else a whole path."""
    named = any(pattern.startswith(route) for route in ROUTES if route.endswith("/"))
    if pattern.endswith("*"):
        return named or any(route.startswith(pattern[:-1]) for route in ROUTES)
    return named or pattern in ROUTES
