"""Policies and open routes name paths that exist: what matches nothing protects nothing."""

from __future__ import annotations

import pytest
from test_kes_config import problems, with_

from kesdeploy.kes_config import check
from kesdeploy.kes_routes import ROUTES


@pytest.mark.parametrize("path", ["/v1/ready", "/v1/status", "/v1/metrics", "/v1/api"])
def test_what_may_be_open_to_anybody(path):
    check(with_(f"api {path} skip_auth", value=True))


@pytest.mark.parametrize("path", ["/v1/key/decrypt/", "/v1/policy/read/", "/v1/log/error"])
def test_what_may_not(path):
    (found,) = problems(with_(f"api {path} skip_auth", value=True))
    assert found.startswith(f"api.{path}.skip_auth: anybody could use it")


@pytest.mark.parametrize("path", ["/v1/key/create", "/v1/ready/", "/v2/ready", "ready"])
def test_routes_that_do_not_exist(path):
    (found,) = problems(with_(f"api {path} timeout", "5s"))
    assert "not a path of KES's API" in found


@pytest.mark.parametrize(
    "pattern",
    [
        *("/v1/key/*", "/v1/*", "/*", "*", "/v1/key/create/k", "/v1/key/create/minio-*", "/v1/key/list/"),
        *(f"{route}*" for route in ROUTES),
        *(route for route in ROUTES if not route.endswith("/")),
    ],
)
def test_patterns(pattern):
    check(with_("policy minio allow", [pattern]))


@pytest.mark.parametrize("pattern", ["/v1/key/*/k", "/v1/key/*/*", "/v1/key/create/k?", "**", "/v1/*/"])
def test_patterns_that_kes_takes_literally(pattern):
    (found,) = problems(with_("policy minio deny", [pattern]))
    assert found.startswith("policy.minio.deny.0: KES matches prefixes")


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "/v1/key/", "/v1/key", "/v1/kye/*", "v1/key/*", "/v1/ready/", "/v1/key/crate/k", "/V1/ready"),
        *("/v1/key/list", "/v1/key/create/", "/v1/key/create/a.b", "/v1/key/create/a/b", "/v1/key/create/-a*"),
    ],
)
def test_patterns_that_match_nothing(pattern):
    (found,) = problems(with_("policy minio allow", [pattern]))
    assert found.startswith("policy.minio.allow.0: no request has such a path")
