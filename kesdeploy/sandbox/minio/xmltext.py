"""XML in and out, in S3's namespace."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from kesdeploy.sandbox.minio.errors import BAD_XML

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

# As Go's encoding/xml writes them; what XML cannot say at all becomes the replacement character there, too.
_ESCAPES = {'"': "&#34;", "'": "&#39;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# A document is (name, content); content is text, or a list of documents.
Document = tuple[str, Any]


def render(document: Document, *, namespace: bool = True) -> bytes:
    name, content = document
    mark = f' xmlns="{NAMESPACE}"' if namespace else ""
    return f"{HEAD}<{name}{mark}>{_content(content)}</{name}>".encode()


def _content(content: Any) -> str:
    if isinstance(content, list):
        return "".join(f"<{n}>{_content(c)}</{n}>" for n, c in content)
    return _UNSAYABLE.sub("\ufffd", escape(str(content), _ESCAPES))


def parse(text: bytes) -> Element:
    """The root, with its namespace taken off every name. Raises S3Error."""
    import xml.etree.ElementTree as ET

    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise BAD_XML.error()
    try:
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError:
        raise BAD_XML.error() from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
