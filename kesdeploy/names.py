"""Names that users give to what others read: a root user for MinIO and S3 clients, host names for certificates."""

from __future__ import annotations

import ipaddress
import re

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\.?")
_LONGEST_HOST = 253


def root_user(value: str) -> str:
    """The same name, once MinIO keeps it and S3 clients can say it. ValueError otherwise.

    A comma ends the name in S3's Authorization header (seen: MissingFields), and MinIO blanks what begins with `env`.
    """
    if not re.fullmatch(r"[!-+\--~]{3,}", value):
        raise ValueError("a root user is 3 or more of the printable ASCII characters, without a blank or comma")
    if value.startswith("env"):
        raise ValueError("MinIO blanks every value that begins with 'env'; choose another name")
    if value == "minioadmin":
        raise ValueError("everybody tries this one first; choose another, or leave it out to have one made")
    return value


def host_name(value: str) -> str:
    """The same name or address, once a certificate can hold it and a client can ask for it. ValueError otherwise."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not value.isascii():
            raise ValueError("a host name beyond ASCII is written as clients ask for it, as in xn--gre-6ka8i") from None
        if not _HOST.fullmatch(value) or len(value) > _LONGEST_HOST:
            raise ValueError(
                "a host name or address is needed, as in s3.example.org: no https://, port or path"
            ) from None
    return value
