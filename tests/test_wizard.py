from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import ClassVar

import pexpect
import pytest
from wizard_session import KEYSTORES, Remote

from kesdeploy import lacking
from kesdeploy.blocks import lines_of
from kesdeploy.errors import Interrupted, ServiceError, SpecError
from kesdeploy.keystores.vault import Vault
from kesdeploy.terminal import Terminal
from kesdeploy.wizard import ask_spec

SECRET = "hvs.pa$s-word"
PROMPTS = (
    "Which KMS",
    "Name",
    "Address",
    "Prefix",
    "Token",
    "Open to",
    "Move all ports by",
    "Buckets",
    "Is this right",
)
REMOTE = {"keystore": {"remote": {"address": "10.0.0.1", "prefix": "kes"}}, "name": "prod"}


class Script:
    """Answers in the order of the questions; repeats a question as often as the validator complains."""

    def __init__(self, *answers, agrees=(True,)):
        self.answers, self.agrees = list(answers), list(agrees)
        self.asked, self.complaints, self.told, self.defaults = [], [], "", {}

    def ask(self, prompt, *, default="", secret=False, choices=(), validate=lambda _: ""):
        self.asked.append(prompt)
        self.defaults[prompt] = default
        while True:
            answer = self.answers.pop(0) or default
            if not (complaint := validate(answer)):
                return answer
            self.complaints.append(complaint)

    def confirm(self, prompt, *, default=False):
        self.asked.append(prompt)
        return self.agrees.pop(0)

    def tell(self, blocks):
        with open(os.devnull) as nowhere:  # noqa: PTH123
            self.told += "\n".join(lines_of(blocks, Terminal(nowhere))) + "\n"


def wizard(script, known=None, **options):
    return ask_spec(known or {}, KEYSTORES, script, **{"holder": lambda *_: "", **options})


def test_enter_everywhere_is_the_default():
    script = Script("", "", "")
    script.answers[0] = "fs"
    assert wizard(script) == ({"keystore": {"fs": {}}, "name": "fs"}, {})
    assert script.asked == ["Which KMS", "Name", "Buckets", "Is this right?"]


def test_only_what_is_lacking_is_asked():
    script = Script(SECRET)
    tree, secrets = wizard(script, {**REMOTE, "minio": {"buckets": []}})
    assert script.asked == ["Token", "Is this right?"]
    assert tree == {**REMOTE, "minio": {"buckets": []}}
    assert secrets == {"remote-token": SECRET}


def test_a_stored_secret_is_not_asked_again():
    script = Script("")
    assert wizard(script, REMOTE, secrets_stored={"remote-token"}) == (REMOTE, {})
    assert script.asked == ["Buckets", "Is this right?"]


def test_one_answer_may_raise_the_next_question():
    script = Script("remote", "prod", "10.0.0.1", "", SECRET, "one, two")
    tree, secrets = wizard(script)
    assert tree == {**REMOTE, "minio": {"buckets": [{"name": "one"}, {"name": "two"}]}}
    assert secrets == {"remote-token": SECRET}
    assert SECRET not in json.dumps(tree) + script.told
    assert lacking.loaded(tree, KEYSTORES).keystore.address == "10.0.0.1"


def test_answers_are_checked_as_the_spec_does():
    script = Script(
        "remote", "Bad Name", "prod", "", "10.0.0.1.1", "10.0.0.1", "", "", " x ", SECRET, "a/b", "one one", "one"
    )
    wizard(script)
    name, nothing, address, secret, space, bucket, twice = script.complaints
    assert name.startswith("a name starts with a lower-case letter")
    assert nothing == secret == "an answer is needed"
    assert address == "'10.0.0.1.1' does not appear to be an IPv4 or IPv6 address"
    assert "white space" in space
    assert bucket.startswith("a bucket name is 3 to 63")
    assert twice == "named twice: one"
    assert not any("given" in complaint for complaint in script.complaints)


def test_the_summary_shows_everything_but_secrets():
    script = Script(SECRET, "one")
    wizard(script, REMOTE)
    for word in (
        "prod",
        "remote: A KMS far away",
        "10.0.0.1",
        "s3 9000, console 9001, kes 7373",
        "one",
        "remote-token",
        "kept in secrets/",
    ):
        assert word in script.told
    assert SECRET not in script.told


def test_who_leaves_at_the_summary_leaves():
    script = Script("", "leave", agrees=[False])
    with pytest.raises(Interrupted) as caught:
        wizard(script, {"name": "a", "keystore": {"fs": {}}})
    assert caught.value.exit_code == 130
    assert script.asked == ["Buckets", "Is this right?", "What now"]


class Shared(Remote):
    """Others can reach it."""

    kind: ClassVar[str] = "remote"

    def shared(self, fields):
        return True

    def policy(self, spec):
        return f"allow {spec.key_name}"


def shared(script, **options):
    return ask_spec(REMOTE, {"remote": Shared()}, script, holder=lambda *_: "", **options)


def test_a_keystore_of_others_has_its_own_key_name_its_policy_and_a_trial():
    tried = []
    script = Script(SECRET, "", agrees=[True, True, True])
    tree, secrets = shared(script, prove=lambda *given: tried.append(given))
    assert script.asked[1:3] == ["Show what your KMS has to allow KES?", "Test these settings now?"]
    assert tree["key_name"].startswith("minio-prod-")
    assert f"allow {tree['key_name']}" in script.told
    assert "they work" in script.told
    ((spec, given),) = tried
    assert (spec.key_name, given) == (tree["key_name"], secrets)


def test_settings_that_do_not_work_are_told_with_the_reason():
    error = ServiceError("nobody is there", because="connection refused", hint="start it")
    script = Script(SECRET, "change", "another", "keep", "", agrees=[False, True, False, True, True])
    _, secrets = shared(script, prove=lambda *_: error)
    assert secrets == {"remote-token": "another"}
    for words in ("nobody is there", "connection refused", "start it"):
        assert words in script.told
    assert "allow" not in script.told


def test_who_leaves_after_a_failed_trial_writes_nothing():
    script = Script(SECRET, "leave", agrees=[False, True])
    with pytest.raises(Interrupted, match="do not work"):
        shared(script, prove=lambda *_: ServiceError("nobody is there"))


def test_a_keystore_of_ones_own_is_not_tried():
    script = Script(SECRET, "")
    wizard(script, REMOTE, prove=lambda *_: pytest.fail("nobody asked for it"))
    assert script.asked == ["Token", "Buckets", "Is this right?"]


FIRST = ("remote", "prod", "10.0.0.1", "mine", SECRET, "0.0.0.0", "", "one two")
ROUND = ["Which KMS", "Name", "Address", "Prefix", "Token", "Open to", "Move all ports by", "Buckets", "Is this right?"]


def test_enter_keeps_each_answer_when_they_are_asked_again():
    options = {"network": True, "holder": lambda _, port: "x" if port == 9001 else ""}
    once, again = Script(*FIRST), Script(*FIRST, "", *[""] * len(FIRST), agrees=[False, True])
    assert wizard(again, **options) == wizard(once, **options)
    assert again.asked == [*ROUND, "What now", *ROUND]
    assert again.defaults["Which KMS"] == "remote"
    assert again.defaults["Prefix"] == "mine"
    assert again.defaults["Token"] == "", "a secret must not be shown"
    assert "Enter keeps the one that you gave" in again.told
    assert "Enter keeps them, - for none" in again.told
    assert SECRET not in again.told


def test_one_answer_is_changed_and_the_others_stay():
    first = [answer for answer in FIRST if answer]  # no port is taken, so nobody asks by how much they move
    script = Script(*first, "", "", "", "10.0.0.9", "", "new-token", "", "-", agrees=[False, True])
    tree, secrets = wizard(script, network=True)
    assert tree["keystore"]["remote"] == {"address": "10.0.0.9", "prefix": "mine"}
    assert (tree["network"], secrets) == ({"bind": "0.0.0.0"}, {"remote-token": "new-token"})
    assert "minio" not in tree


def test_another_kms_brings_its_own_name_and_no_secret_of_the_first():
    script = Script("remote", "", "10.0.0.1", "", SECRET, "", "", "fs", "", "", agrees=[False, True])
    assert wizard(script) == ({"keystore": {"fs": {}}, "name": "fs"}, {})


# --- the environment proposes


def test_the_environment_proposes_and_says_so(monkeypatch):
    monkeypatch.setenv("REMOTE_ADDRESS", "10.0.0.7")
    monkeypatch.setenv("REMOTE_TOKEN", SECRET)
    script = Script("remote", "", "", "", "", "")
    tree, secrets = wizard(script)
    assert tree["keystore"]["remote"]["address"] == "10.0.0.7"
    assert secrets == {"remote-token": SECRET}
    assert "REMOTE_ADDRESS is set: Enter takes its value." in script.told
    assert "REMOTE_TOKEN is set: Enter takes its value." in script.told
    assert SECRET not in script.told


def test_the_first_variable_that_is_set_counts_and_what_is_typed_stands_over_it(monkeypatch):
    monkeypatch.setenv("REMOTE_ADDR", "10.0.0.8")
    script = Script("remote", "", "10.0.0.1", "", "typed", "", agrees=[True])
    tree, secrets = wizard(script)
    assert script.defaults["Address"] == "10.0.0.8"
    assert (tree["keystore"]["remote"]["address"], secrets) == ("10.0.0.1", {"remote-token": "typed"})


def test_what_cannot_be_used_is_not_proposed(monkeypatch):
    monkeypatch.setenv("REMOTE_ADDRESS", "nowhere")
    script = Script("remote", "", "10.0.0.1", "", SECRET, "")
    wizard(script)
    assert script.defaults["Address"] == ""
    assert "REMOTE_ADDRESS is set and cannot be used: 'nowhere' does not appear" in script.told


def test_the_environment_is_no_answer_where_nobody_is_asked(monkeypatch):
    monkeypatch.setenv("REMOTE_ADDRESS", "10.0.0.7")
    first = lacking.missing({"keystore": {"remote": None}}, KEYSTORES)[0]
    assert first.message == "keystore.remote.address: Address"


def test_a_vault_of_the_environment_is_proposed_and_may_be_left_out(monkeypatch):
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.org:8200/")
    monkeypatch.setenv("VAULT_CACERT", "/etc/ca.pem")
    monkeypatch.setenv("VAULT_NAMESPACE", "team")
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    known = {"keystore": {"vault": {}}, "name": "v", "minio": {"buckets": []}}
    script = Script("", "", "none", "id", "secret", agrees=(False, True))
    tree, secrets = ask_spec(known, {"vault": Vault()}, script, holder=lambda *_: "")
    assert tree["keystore"] == {"vault": {"address": "https://vault.example.org:8200/", "ca": "/etc/ca.pem"}}
    assert secrets == {"vault-approle-id": "id", "vault-approle-secret": "secret"}
    assert "VAULT_NAMESPACE is set" in script.told

    script = Script("here", "", "", agrees=[False, True])
    tree, _ = ask_spec(known, {"vault": Vault()}, script, holder=lambda *_: "")
    assert tree["keystore"] == {"vault": {}}
    assert script.defaults["Your Vault's address"] == "here", "what was answered stands over the environment"


def test_taken_ports_move_together():
    held = {9001: "nginx (process 3)", 9010: "x", 7393: "y"}
    script = Script("0", "10", "99999", "ten", "", "")
    tree, _ = wizard(script, {"name": "a", "keystore": {"fs": {}}}, holder=lambda _, port: held.get(port, ""))
    assert tree["network"] == {"s3_port": 9030, "console_port": 9031, "kes_port": 7403}
    assert "port 9001 is taken by nginx (process 3)" in script.told
    assert script.complaints == [
        "port 9001 is taken by nginx (process 3)",
        "port 9010 is taken by x",
        "port 108999 does not exist; the last one is 65535",
        "a number is needed, as in 10",
    ]


def test_a_port_that_is_not_used_may_be_taken():
    wizard(Script(""), {"name": "a", "keystore": {"fs": {}}}, holder=lambda _, port: "vault" if port == 8200 else "")


def test_who_may_connect_is_asked_when_told_to():
    script = Script("0.0.0.0", "")
    tree, _ = wizard(script, {"name": "a", "keystore": {"fs": {}}}, network=True)
    assert tree["network"] == {"bind": "0.0.0.0"}
    assert "HTTPS for S3" in script.told


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"nmae": "x"}, "nmae: unknown key; did you mean 'name'?"),
        ({"keystore": {"fss": {}}}, "keystore.fss: unknown keystore; did you mean 'fs'?"),
        ({"keystore": {}, "name": "B"}, "name: a name starts with"),
        ({"keystore": "fs"}, "keystore: exactly one keystore"),
        ({"keystore": {"remote": {"address": "x"}}}, "keystore.remote.address: 'x' does not appear"),
    ],
)
def test_what_is_wrong_already_is_said_before_anything_is_asked(known, message):
    script = Script()
    with pytest.raises(SpecError) as caught:
        wizard(script, known)
    assert [problem.message.startswith(message) for problem in caught.value.found] == [True]
    assert script.asked == []


@pytest.mark.parametrize("known", [{}, {"keystore": None}, {"keystore": {}}])
def test_without_asking_the_kms_is_what_is_missing(known):
    (problem,) = lacking.missing(known, KEYSTORES)
    assert problem.message == "keystore: which KMS holds the keys (fs, remote)"
    assert problem.hint == "--kms fs|remote"


def test_without_asking_each_missing_answer_names_its_path():
    problems = lacking.missing({"keystore": {"remote": None}}, KEYSTORES)
    assert [(problem.message, problem.hint) for problem in problems] == [
        ("keystore.remote.address: Address", "--set keystore.remote.address=VALUE"),
        ("keystore.remote.token: Token", "--set keystore.remote.token=@FILE (or env:NAME, or - for stdin)"),
    ]
    assert lacking.missing(REMOTE, KEYSTORES, {"remote-token"}) == ()
    assert lacking.missing({"keystore": {"fs": {}}}, KEYSTORES) == ()


# --- in a real terminal


def keep(child, *prompts):
    """Enter."""
    for prompt in prompts:
        answer(child, prompt, "")


def test_no_at_the_summary_changes_answers(terminal):
    child = terminal()
    for prompt, text in zip(PROMPTS, ("remote", "prod", "10.0.0.1", "", SECRET, "1", "", "one two", "n"), strict=True):
        answer(child, prompt, text)
    answer(child, "What now [change]", "")
    keep(child, "Which KMS [remote]")
    answer(child, "Name [prod]", "other")
    keep(child, "Address [10.0.0.1]", "Prefix [kes]", "Token", "Open to [127.0.0.1]", "Move all ports by [20]")
    answer(child, "Buckets [one two]", "one")
    keep(child, "Is this right")
    child.expect("RESULT ([^\r]*)\r\n")
    tree, secrets = json.loads(child.match[1])
    assert (tree["name"], tree["keystore"]) == ("other", REMOTE["keystore"])
    assert tree["minio"] == {"buckets": [{"name": "one"}]}
    assert secrets == {"remote-token": len(SECRET)}
    child.expect("EXIT 0")
    assert SECRET not in child.logfile_read.text


def test_leaving_at_the_summary_writes_nothing(terminal):
    child = terminal()
    for prompt, text in zip(PROMPTS, ("remote", "prod", "10.0.0.1", "", SECRET, "1", "", "", "n"), strict=True):
        answer(child, prompt, text)
    answer(child, "What now", "leave")
    child.expect_exact("error: not confirmed\r\n  try: nothing was changed; run the same command again\r\n")
    child.expect_exact("EXIT 130")
    assert "RESULT" not in child.logfile_read.text


def test_ctrl_c_in_the_second_round_is_interrupted(terminal):
    child = terminal()
    for prompt, text in zip(PROMPTS, ("fs", "", None, None, None, "1", "", "", "n"), strict=True):
        if text is not None:
            answer(child, prompt, text)
    answer(child, "What now", "change")
    child.expect_exact("Which KMS [fs]: ")
    child.sendintr()
    child.expect_exact("EXIT 130")
    assert "Traceback" not in child.logfile_read.text


@pytest.fixture
def terminal():
    started = []

    def start(*args, width=90, **variables):
        environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "LC_ALL": "C.UTF-8", **variables}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        session = str(Path(__file__).with_name("wizard_session.py"))
        child = pexpect.spawn(
            sys.executable,
            [session, *args],
            env=environment,
            encoding="utf-8",
            codec_errors="replace",
            timeout=15,
            dimensions=(40, width),
            # Where tests run in the background, a shell has them ignore Ctrl-C, and so all that they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        child.delaybeforesend = None
        child.logfile_read = Log()
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


class Log:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def answer(child, prompt, *texts):
    for text in texts:
        child.expect_exact(prompt)
        child.expect(r"\]?: ?")
        # A hidden prompt switches the echo off after it has written itself.
        if prompt == "Token":
            child.waitnoecho()
        child.sendline(text)


def test_a_whole_session(terminal):
    child = terminal()
    answer(child, "Which KMS", "7", "nothing", "2")
    answer(child, "Name", "Bad Name", "prod")
    answer(child, "Address", "1.2.3", "10.0.0.1")
    answer(child, "Prefix", "")
    answer(child, "Token", "", f" {SECRET}", SECRET)
    answer(child, "Open to", "1")
    answer(child, "Move all ports by", "1", "")
    answer(child, "Buckets", "a/b", "bücket", "one two")
    answer(child, "Is this right", "y")
    child.expect("RESULT ([^\r]*)\r\n")
    tree, secrets = json.loads(child.match[1])
    ports = {"s3_port": 9020, "console_port": 9021, "kes_port": 7393}
    assert tree == {
        **REMOTE,
        "network": {"bind": "127.0.0.1", **ports},
        "minio": {"buckets": [{"name": "one"}, {"name": "two"}]},
    }
    assert secrets == {"remote-token": len(SECRET)}
    child.expect("EXIT 0")
    child.expect(pexpect.EOF)
    screen = child.logfile_read.text
    assert SECRET not in screen
    assert "type a number from 1 to 2, or a name" in screen
    assert "✗ a name starts with a lower-case letter" in screen
    assert "Traceback" not in screen


def test_ctrl_c_at_each_question_is_interrupted(terminal):
    child = terminal("again")
    answers = ("remote", "prod", "10.0.0.1", "", SECRET, "", "", "", "")
    for number, stop in enumerate(PROMPTS):
        for prompt, text in zip(PROMPTS[:number], answers, strict=False):
            answer(child, prompt, text)
        child.expect_exact(stop)
        child.expect(": ")
        if stop == "Token":
            child.waitnoecho()
        child.sendintr()
        child.expect_exact("\r\nerror: interrupted\r\n  try: nothing was changed; run the same command again\r\n")
        child.expect_exact("EXIT 130")
    child.expect_exact("Which KMS")
    assert child.isalive()
    assert "Traceback" not in child.logfile_read.text
    assert SECRET not in child.logfile_read.text


def test_ctrl_d_is_interrupted_too(terminal):
    child = terminal()
    child.expect_exact("Which KMS")
    child.expect(": ")
    child.sendeof()
    child.expect_exact("error: interrupted")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130


def test_a_narrow_terminal(terminal):
    child = terminal(width=40)
    answer(child, "Which KMS", "fs")
    answer(child, "Name", "")
    answer(child, "Open to", "")
    answer(child, "Move all ports by", "")
    answer(child, "Buckets", "")
    answer(child, "Is this right", "n")
    answer(child, "What now", "2")
    child.expect_exact("EXIT 130")
    lines = child.logfile_read.text.split("Is this right")[0].splitlines()
    assert "1) fs      Files on this machine: no KMS" in lines
    assert max(len(line) for line in lines) <= 40


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # as in an ordinary and in the C locale
def test_bytes_that_are_no_text_are_asked_again(terminal, errors):
    child = terminal(PYTHONIOENCODING=f"utf-8:{errors}")
    answer(child, "Which KMS", "fs")
    child.expect_exact("Name [fs]: ")
    os.write(child.child_fd, b"\xff\xfe\n")
    answer(child, "Name", "prod")
    child.expect_exact("Open to")
    assert "no text in this terminal's encoding" in child.logfile_read.text
