"""Which of several answers comes first, what is filled in, and what is never repeated."""

from __future__ import annotations

import pytest

from kesdeploy.explain import advice, answers, named, of_line

KES = "kes:v1:AOJ22p6+12mmxd+S96RMZyYpldvRCLWBPEdfphrjc8BS"


def ids(*lines: str) -> list[str]:
    return [answer.id for answer in answers(lines)]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        # The innermost cause, not what wraps it.
        ("Failed to connect to KMS: failed to generate data key with KMS key: tls: client certificate is required",
         ["kes-client-certificate"]),
        # Who encloses another one says more.
        ('Error: Put "https://v:8200/v1/auth/approle/login": dial tcp 10.0.0.1:8200: connect: connection refused',
         ["vault-login-unreachable"]),
        ("dial tcp 10.0.0.1:80: connect: connection refused", ["system-refused"]),
        # Only wrapping: better than nothing.
        ("mc: <ERROR> failed to generate data key with KMS key.", ["minio-kms-generate"]),
        ("Failed to reload server config: open /x.yaml: permission denied", ["system-permission"]),
        # Registries say the same of what was withdrawn and of what is private.
        ("reading manifest 1 in docker.io/minio/kes: requested access to the resource is denied",
         ["image-withdrawn-hub"]),
        ("reading manifest 1 in quay.io/me/mine: unauthorized: access to the requested resource is not authorized",
         ["image-refused"]),
        ("all is well", []),
        ("", []),
    ],
)  # fmt: skip
def test_of_one_line_the_most_specific(line: str, wanted: list[str]):
    assert ids(line) == wanted


def test_of_several_lines_each_text_once_the_general_last():
    refused = "dial tcp 10.0.0.1:80: connect: connection refused"
    found = answers([refused, "Error: kesconf: no keystore specified", refused])
    assert [(a.id, a.lines) for a in found] == [("kes-no-keystore", 1), ("system-refused", 2)]


@pytest.mark.parametrize(
    "line",
    [
        "\x1b[31mError\x1b[0m: listen tcp 0.0.0.0:7373: bind: address already in use",
        'level=error msg="x: \\"listen tcp 0.0.0.0:7373: bind: address already in use\\""',
        '{"level":"FATAL","message":"listen tcp 0.0.0.0:7373:  bind:\\taddress already in use"}',
    ],
)
def test_colours_and_quotes_do_not_hide_it(line: str):
    (answer,) = answers([line])
    assert (answer.id, answer.sure) == ("engine-port-taken", "ss -ltnp 'sport = :7373'")
    assert "\x1b" not in answer.line


def test_a_text_that_was_wrapped_by_its_terminal():
    found = advice("Error: kesconf: invalid admin\nidentity: no admin identity")
    assert found
    assert found.id == "kes-no-admin"
    assert advice("nothing\nat all") is None


def test_parts_are_filled_in_and_those_that_were_not_told_leave_no_hole():
    said = 'level=DEBUG msg="access denied: identity not found"'
    request = f'{said} req="&{{Method:PUT URL:/v1/key/create/k1 Proto:HTTP/2.0'
    assert "names (PUT /v1/key/create/k1). The identity" in answers([request])[0].cause
    assert "names. The identity" in answers([said])[0].cause
    assert answers(["Error: kesconf: no keystore specified"], "prod")[0].next.endswith("the others")
    assert "kesdeploy list, then kesdeploy up -n prod" in answers(["No such container: x"], "prod")[0].next


@pytest.mark.parametrize("word", ["$(reboot)", "`id`", "a;reboot", "a'b", "a|b", "a&b"])
def test_no_word_of_the_text_becomes_a_command(word: str):
    for line in (f"lookup {word}: no such host", f"statfs /{word}/x: no such file or directory"):
        (answer,) = answers([line])
        assert word not in answer.sure + answer.next


def test_a_long_line_is_shown_where_it_matters():
    (answer,) = answers([f"{'x' * 1000} kesconf: no keystore specified {'y' * 1000}"])
    assert answer.line.startswith("…kesconf: no keystore specified")
    assert len(answer.line) < 310


@pytest.mark.parametrize("line", [f"MINIO_ROOT_PASSWORD=hunter2hunter2 {KES} key does not exist"])
def test_no_secret_is_repeated(line: str):
    for found in (answers([line]), of_line(line)):
        assert KES not in str(found)
        assert "hunter2" not in str(found)
        assert "kes:v1:REDACTED key does not exist" in found[0].line


def test_a_key_over_several_lines_is_not_repeated():
    text = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIN key does not exist\n-----END PRIVATE KEY-----"
    assert answers(text.splitlines()) == ()


def test_an_entry_by_its_name():
    assert named("kes-no-config").about == "KES"
    with pytest.raises(KeyError):
        named("nothing")
