"""Which encryption an object gets: what the request says, else the bucket's rule, else auto-encryption."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from kesdeploy.sandbox.minio import sealing
from kesdeploy.sandbox.minio.errors import BAD_XML, NO_KMS, Refusal, S3Error
from kesdeploy.sandbox.minio.sealing import Wanted
from kesdeploy.sandbox.minio.xmltext import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.sandbox.web import Request

HEADER = "X-Amz-Server-Side-Encryption"
KEY_HEADER = HEADER + "-Aws-Kms-Key-Id"
CONTEXT_HEADER = HEADER + "-Context"
_ARN = "arn:aws:kms:"
_NOT_ON_READ = Refusal(400, "BadRequest", "400 BadRequest")


def asked(request: Request) -> Wanted | None:
    """What the request's headers ask for. Raises S3Error."""
    method, key = request.header(HEADER), request.header(KEY_HEADER)
    if not method:
        if key:
            raise _unsupported(request)
        return None
    if method == "AES256":
        if key:
            raise _unsupported(request)
        return Wanted("S3")
    if method != "aws:kms":
        raise _unsupported(request)
    return Wanted("KMS", key.removeprefix(_ARN), _context(request.header(CONTEXT_HEADER)))


def _unsupported(request: Request) -> S3Error:
    why = "The encryption method is not supported"
    where = request.path.lstrip("/")
    return S3Error(400, "InvalidArgument", f"Invalid arguments provided for {where}: ({why})")


def refuse_on_read(request: Request) -> None:
    """GET and HEAD must not carry these headers."""
    if request.header(HEADER):
        raise _NOT_ON_READ.error()


def _context(text: str) -> str:
    if not text:
        return ""
    try:
        values = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise S3Error(400, "InvalidArgument", "The encryption context is not valid")
    return text


def read_rule(text: bytes) -> Wanted:
    """A bucket's rule from its XML. Raises S3Error."""
    root = parse(text)
    rules = root.findall("Rule")
    if root.tag != "ServerSideEncryptionConfiguration" or len(rules) != 1:
        raise BAD_XML.error()
    default = rules[0].find("ApplyServerSideEncryptionByDefault")
    if default is None:
        raise BAD_XML.error()
    method, key = (default.findtext("SSEAlgorithm") or "", default.findtext("KMSMasterKeyID") or "")
    if method == "AES256":
        if key:
            raise _malformed("MasterKeyID is allowed with aws:kms only")
        return Wanted("S3")
    if method != "aws:kms":
        raise _malformed("Unknown SSE algorithm")
    if not key:
        raise _malformed("MasterKeyID is missing with aws:kms")
    return Wanted("KMS", key)


def _malformed(why: str) -> S3Error:
    return S3Error(400, "MalformedXML", f"{BAD_XML.message} ({why})")


def rule_key(rule: Wanted) -> str:
    return rule.key.removeprefix(_ARN)


def decide(request: Request, rule: Wanted | None, *, auto: bool, has_kms: bool) -> Wanted | None:
    """What this object gets. A rule never weakens what was asked for, and nothing makes it plaintext."""
    wanted = asked(request)
    if wanted is None and rule is not None:
        wanted = Wanted(rule.kind, rule_key(rule))
    if wanted is None and auto:
        wanted = Wanted("KMS")
    if wanted is not None and not has_kms:
        raise NO_KMS.error()
    return wanted


def response_headers(meta: Mapping[str, str]) -> dict[str, str]:
    """How an answer says that, and with which key, an object is encrypted."""
    kind = sealing.kind(meta)
    if not kind:
        return {}
    if kind == "S3":
        return {HEADER: "AES256"}
    found = {HEADER: "aws:kms", KEY_HEADER: _ARN + meta[sealing.KEY_ID]}
    return found | ({CONTEXT_HEADER: meta[sealing.CONTEXT]} if sealing.CONTEXT in meta else {})
