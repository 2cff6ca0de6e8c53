"""Names that others read: what MinIO would lose, S3 could not say or no certificate holds is refused in the spec."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kesdeploy.errors import SpecError
from kesdeploy.keystores import FIELDS
from kesdeploy.minio_rules import unreadable
from kesdeploy.names import host_name, root_user
from kesdeploy.pki.authority import general_names
from kesdeploy.spec import load


def taken(check, value: str) -> bool:
    try:
        return bool(check(value) == value)
    except ValueError:
        return False


@pytest.mark.parametrize("value", ["abc", "admin-0123456789", "me@example.org", "a/bc", "ad=min", 'quo"ted', "#1$x"])
def test_good_root_users(value):
    assert root_user(value) == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "3 or more"),
        ("ab", "3 or more"),
        ("a,b", "without a blank or comma"),
        ("a b c", "without a blank or comma"),
        ("abc\n", "printable ASCII"),
        ("größe", "printable ASCII"),
        ("envoy", "begins with 'env'"),
        ("minioadmin", "everybody tries"),
    ],
)
def test_bad_root_users(value, words):
    with pytest.raises(ValueError, match=words):
        root_user(value)


@given(st.text())
@example("env:X")
def test_a_root_user_that_is_taken_survives_minios_file(value):
    assert not (taken(root_user, value) and unreadable(value))


@pytest.mark.parametrize(
    "value",
    [
        "s3.example.org",
        "S3",
        "my_host",
        "*.example.org",
        "example.org.",
        "10.1.2.3",
        "::1",
        "fd00::1",
        "a" * 63,
        "1.2.3",
    ],
)
def test_good_host_names(value):
    assert host_name(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "a b", "https://x", "x:9000", "x/y", "-x", "x-", ".x", "a..b", "a*", "*", "*.*.x", "[::1]", "x\n"),
        *("a" * 64, "a." * 127 + "a", "1.2.3.4/24", "x@y"),
    ],
)
def test_bad_host_names(value):
    with pytest.raises(ValueError, match=r"as in s3\.example\.org"):
        host_name(value)


def test_a_name_beyond_ascii_has_another_spelling():
    with pytest.raises(ValueError, match="xn--"):
        host_name("größe.example")


@given(st.text() | st.from_regex(r"[A-Za-z0-9*._:-]{1,40}", fullmatch=True))
def test_a_host_name_that_is_taken_fits_into_a_certificate(value):
    if taken(host_name, value):
        assert len(general_names((value,))) == 1


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("network.extra_names", ["a b"], "network.extra_names.0: a host name or address is needed"),
        ("minio.root_user", "envoy", "minio.root_user: MinIO blanks every value"),
    ],
)
def test_the_spec_names_the_place(path, value, told):
    with pytest.raises(SpecError) as raised:
        load("name: x\nkeystore: {fs: {}}\n", {path: value}, FIELDS)
    assert told in raised.value.because
