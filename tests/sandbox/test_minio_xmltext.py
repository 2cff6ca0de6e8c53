"""Answers in XML: whatever an object is called, a client's parser gives its name back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kesdeploy.sandbox.minio.errors import S3Error
from kesdeploy.sandbox.minio.xmltext import parse, render, when

SAYABLE = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"))


@given(SAYABLE)
@example("a&b<c>\"d'")
@example("]]><!-- x -->")
@example("größe/漢 🙂")
def test_a_name_comes_back(name):
    root = parse(render(("List", [("Contents", [("Key", name)])])))
    assert (root.tag, root.findtext("Contents/Key") or "") == ("List", name)


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\rb", "a\r\nb", " a ", "\n"])
def test_white_space_is_no_layout(name):
    assert parse(render(("List", [("Key", name)]))).findtext("Key") == name


@given(st.text(st.characters(blacklist_categories=("Cs",))))
@example("bell \x07 and nul \0")
def test_what_xml_cannot_say_does_not_spoil_the_rest_of_the_list(name):
    root = parse(render(("List", [("Key", name), ("Key", "next")])))
    assert [key.text or "" for key in root.findall("Key")][1] == "next"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no xml",
        b"<a>",
        b"<a></b>",
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        b"<!DOCTYPE lolz><a/>",
        b"<a>&undefined;</a>",
        b"\xff\xfe<a/>",
    ],
)
def test_what_is_no_xml_or_more_than_that_is_refused_as_s3_does(text):
    with pytest.raises(S3Error) as raised:
        parse(text)
    assert (raised.value.status, raised.value.code) == (400, "MalformedXML")


@given(st.binary(max_size=60))
def test_any_body_is_read_or_refused(body):
    try:
        assert parse(body).tag
    except S3Error as error:
        told = error.code
        assert told == "MalformedXML"


def test_namespaces_are_taken_off_every_name():
    root = parse(b'<A xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><B><C>1</C></B></A>')
    assert root.findtext("B/C") == "1"


def test_times_are_those_of_s3():
    assert when(0) == "1970-01-01T00:00:00.000Z"
    assert when(1700000000.1239) == "2023-11-14T22:13:20.123Z"
