"""Who asks: what a real client signs is let in, and nothing else, however it is made up."""

from __future__ import annotations

import hashlib
import hmac
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from minio.credentials import Credentials
from minio.signer import presign_v4
from signing import HOST, PASSWORD, USER, request, signed

from kesdeploy.sandbox.minio.errors import S3Error
from kesdeploy.sandbox.minio.sigv4 import Payload, Signature, verify
from kesdeploy.sandbox.web import Request

TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=20)
NAMES = TEXT.filter(lambda name: not name.startswith("/"))


def presigned(name: str, *, made: datetime, seconds: int = 60) -> Request:
    url = presign_v4(
        method="GET",
        url=urlsplit(f"http://{HOST}/bucket/{quote(name)}"),
        region="us-east-1",
        credentials=Credentials(USER, PASSWORD),
        date=made,
        expires=seconds,
    )
    return request("GET", url, {"Host": HOST})


def refusal(asked: Request, user: str = USER, password: str = PASSWORD) -> str:
    """The code of a refusal; empty when it is let in."""
    try:
        verify(asked, user, password)
    except S3Error as error:
        return error.code
    return ""


@given(NAMES, st.dictionaries(TEXT, st.text(st.characters(blacklist_categories=("Cs",)), max_size=10), max_size=3))
@example("a b+c%20d", {"prefix": "größe/ +%"})
@example("~tilde*star(paren)", {"list-type": "2", "prefix": ""})
def test_what_a_client_signs_is_let_in_whatever_it_asks_for(name, query):
    assert refusal(signed("GET", name, query)) == ""


@given(NAMES)
@example("größe/漢 + 2.bin")
def test_a_link_is_good_until_it_ends_and_for_its_object_alone(name):
    now = datetime.now(UTC)
    assert refusal(presigned(name, made=now)) == ""
    assert refusal(presigned(name, made=now - timedelta(seconds=61))) == "AccessDenied"
    other = presigned(name, made=now)
    moved = Request("GET", other.path + "x", *[getattr(other, f) for f in list(other.__dataclass_fields__)[2:]])
    assert refusal(moved) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("seconds", [604_801, 10**9])
def test_no_link_lasts_longer_than_a_week(seconds):
    made = datetime.now(UTC)
    assert refusal(presigned("name", made=made, seconds=seconds)) == "AuthorizationQueryParametersError"
    assert refusal(presigned("name", made=made, seconds=604_800)) == ""


def _with(asked: Request, **changes) -> Request:
    return Request(**{field: changes.get(field, getattr(asked, field)) for field in asked.__dataclass_fields__})


@pytest.mark.parametrize(
    "changes",
    [{"method": "DELETE"}, {"path": "/bucket/other"}, {"query": "versionId=2"}, {"query": ""}],
    ids=lambda change: next(iter(change)),
)
def test_nothing_of_a_signed_request_can_be_changed(changes):
    asked = signed("GET", "name", {"versionId": "1"})
    assert refusal(asked) == ""
    assert refusal(_with(asked, **changes)) == "SignatureDoesNotMatch"


def test_a_signed_header_cannot_be_changed():
    asked = signed("PUT", "name", {}, b"body", **{"X-Amz-Server-Side-Encryption": "aws:kms"})
    asked.headers.replace_header("X-Amz-Server-Side-Encryption", "AES256")
    assert refusal(asked) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(("user", "password"), [(USER, "another-password"), (USER, ""), (USER, PASSWORD + "x")])
def test_a_wrong_password(user, password):
    assert refusal(signed("GET", "name", {}), user, password) == "SignatureDoesNotMatch"


def test_another_user():
    assert refusal(signed("GET", "name", {}), "somebody") == "InvalidAccessKeyId"


def test_another_body_than_the_one_that_was_signed():
    asked = signed("PUT", "name", {}, b"signed")
    swapped = _with(asked, body=io.BytesIO(b"other!"))
    payload = Payload(swapped, verify(swapped, USER, PASSWORD))
    with pytest.raises(S3Error) as raised:
        payload.all()
    assert raised.value.code == "XAmzContentSHA256Mismatch"


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_far_off(minutes):
    asked = signed("GET", "name", {})
    asked.headers.replace_header("x-amz-date", f"{datetime.now(UTC) + timedelta(minutes=minutes):%Y%m%dT%H%M%SZ}")
    assert refusal(asked) == "RequestTimeTooSkewed"


# --- what no client makes

PIECES = st.lists(
    st.sampled_from(
        [
            *("AWS4-HMAC-SHA256", " ", ",", "=", "/", "Credential=", "SignedHeaders=", "Signature=", "host"),
            *(USER, "20260101", "us-east-1", "s3", "aws4_request", "ü", "\x7f", "x-amz-date", ";"),
        ]
    ),
    max_size=14,
).map("".join)


@given(PIECES, TEXT)
@example("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=ü", "20260101T000000Z")
@example(f"AWS4-HMAC-SHA256 Credential={USER}/b/c/d/aws4_request, SignedHeaders=host, Signature=ü", "now")
def test_any_authorization_is_refused_in_s3s_words(header, date):
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    headers = {"Host": HOST, "Authorization": header, "x-amz-date": now if date == "now" else date}
    assert refusal(request("GET", urlsplit(f"http://{HOST}/bucket/name"), headers))


QUERY = st.lists(
    st.tuples(
        st.sampled_from(["X-Amz-Date", "X-Amz-Expires", "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Algorithm"]),
        st.sampled_from(
            [
                f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
                "60",
                "-1",
                "1e9",
                "9" * 30,
                "x",
                "",
                "ü",
                f"{USER}/a/b/c/aws4_request",
            ]
        ),
    ),
    max_size=5,
)


@given(QUERY, TEXT)
@example([("X-Amz-Date", f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"), ("X-Amz-Expires", "soon")], "ü")
def test_any_link_is_refused_in_s3s_words(pairs, signature):
    query = "&".join(f"{k}={quote(v)}" for k, v in [*pairs, ("X-Amz-Signature", signature)])
    assert refusal(request("GET", urlsplit(f"http://{HOST}/bucket/name?{query}"), {"Host": HOST}))


@pytest.mark.parametrize("length", ["x", "-1", "1e3", ""])
def test_a_length_that_is_none(length):
    """`x-amz-decoded-content-length` of a streamed body."""
    asked = signed("PUT", "name", {}, b"", **{"x-amz-decoded-content-length": length})
    proof = verify(asked, USER, PASSWORD)
    streamed = type(proof)(proof.key, proof.scope, proof.date, proof.value, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    with pytest.raises(S3Error):
        Payload(_with(asked, body=io.BytesIO(b"nonsense\r\n")), streamed).all()


# --- bodies in signed chunks


def chunked(body: bytes, size: int, announced: int | None = None) -> tuple[Request, Signature]:
    """As the AWS SDKs send large bodies over plain HTTP: every chunk is signed over the one before."""
    asked = signed(
        "PUT", "name", {}, **{"x-amz-decoded-content-length": str(len(body) if announced is None else announced)}
    )
    proof = replace(verify(asked, USER, PASSWORD), payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    before, wire, empty = proof.value, b"", hashlib.sha256(b"").hexdigest()
    for part in (*(body[n : n + size] for n in range(0, len(body), size)), b""):
        told = ("AWS4-HMAC-SHA256-PAYLOAD", proof.date, proof.scope, before, empty, hashlib.sha256(part).hexdigest())
        before = hmac.digest(proof.key, "\n".join(told).encode(), hashlib.sha256).hex()
        wire += f"{len(part):x};chunk-signature={before}\r\n".encode() + part + b"\r\n"
    return _with(asked, body=io.BytesIO(wire)), proof


@given(st.binary(max_size=300), st.integers(1, 100))
def test_a_body_in_chunks_is_put_together(body, size):
    assert Payload(*chunked(body, size)).all() == body


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_body_whose_chunks_were_touched_is_refused(body, data):
    asked, proof = chunked(body, 16)
    wire = bytearray(asked.body.getvalue())
    end = len(wire) - 2  # what comes after the last chunk's signature says nothing
    place = data.draw(st.integers(0, end - 1))
    wire[place] ^= data.draw(st.integers(1, 255))
    touched = Payload(_with(asked, body=io.BytesIO(bytes(wire))), proof)
    try:
        assert touched.all() == body  # white space, or a hexadecimal digit of the other case: it says the same
    except S3Error as error:
        told = error.code
        assert told in ("SignatureDoesNotMatch", "IncompleteBody")


def test_fewer_bytes_than_announced():
    with pytest.raises(S3Error) as raised:
        Payload(*chunked(b"short", 16, announced=6)).all()
    assert raised.value.code == "IncompleteBody"


@pytest.mark.parametrize(
    "wire",
    [b"", b"-5;x\r\n", b"0x5\r\nhello\r\n", b"1_0\r\n", b"ffffffff\r\n", b"zz\r\n", b"5" * 9000, b"5\r\nhel"],
)
def test_what_is_no_chunk(wire):
    asked, proof = chunked(b"hello", 16)
    with pytest.raises(S3Error) as raised:
        Payload(_with(asked, body=io.BytesIO(wire)), proof).all()
    assert raised.value.code in ("IncompleteBody", "SignatureDoesNotMatch")
