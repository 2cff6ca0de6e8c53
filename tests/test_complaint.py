from __future__ import annotations

import pytest
from pydantic import BaseModel

from kesdeploy import complaint
from kesdeploy.errors import EngineError, Interrupted, PortTaken, Problem, ServiceError, SpecError


def test_what_because_try():
    error = PortTaken("port 9000 is taken", because="held by minio\n (process 3)", hint="kesdeploy up --port-offset 10")
    assert list(complaint.lines(error)) == [
        "port 9000 is taken",
        "  because: held by minio (process 3)",
        "  try: kesdeploy up --port-offset 10",
    ]


def test_only_what_is_known_is_said():
    assert list(complaint.lines(EngineError("no engine"))) == ["no engine"]


def test_a_spec_error_has_a_line_for_each_problem():
    found = (Problem("spec", "name: required"), Problem("spec", "keystore.fx: unknown keystore", "known: fs"))
    assert list(complaint.lines(SpecError("the spec has 2 problems", found=found, hint="correct it"))) == [
        "the spec has 2 problems",
        "  name: required",
        "  keystore.fx: unknown keystore (known: fs)",
        "  try: correct it",
    ]


def test_a_page_of_html_is_cut():
    (_, because) = complaint.lines(ServiceError("no", because="<p>" * 10_000))
    assert len(because) < 700
    assert because.endswith("…")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EOFError()])
def test_ctrl_c_is_130(error):
    assert isinstance(complaint.known(error), Interrupted)
    assert complaint.known(error).exit_code == 130


def test_anything_else_is_our_mistake():
    mine = complaint.known(KeyError("x"))
    assert mine.exit_code == 1
    assert list(complaint.lines(mine))[1] == "  because: KeyError: 'x'"


def test_a_file_of_a_deployment_that_is_gone_is_no_bug(kesdeploy_home):
    with pytest.raises(FileNotFoundError) as gone:
        (kesdeploy_home / "minio-kes-fs/secrets/minio.key").read_bytes()
    told = complaint.known(gone.value)
    assert told.exit_code == 8
    assert told.what.endswith("minio-kes-fs/secrets/minio.key")
    assert told.hint.startswith("kesdeploy up -n fs ")
    with pytest.raises(FileNotFoundError) as other:
        (kesdeploy_home / "elsewhere").read_bytes()
    assert complaint.known(other.value).exit_code == 1


def test_the_trace_says_where_but_no_values():
    class Model(BaseModel):
        port: int

    def refuse(secret):
        try:
            Model(port=secret)
        except ValueError as error:
            raise EngineError("no") from error

    with pytest.raises(EngineError) as caught:
        refuse("hunter22")
    lines = list(complaint.trace(caught.value))
    assert "hunter22" in str(caught.value.__cause__)  # so the next line can fail
    assert not [line for line in lines if "hunter22" in line and "refuse(" not in line]
    assert lines[-1] == "EngineError: no"
    assert any("ValidationError: 1 validation error" in line for line in lines)


def test_the_trace_respects_from_none():
    def outer():
        try:
            {}["inner"]
        except KeyError:
            raise EngineError("outer") from None

    with pytest.raises(EngineError) as caught:
        outer()
    assert not [line for line in complaint.trace(caught.value) if line.startswith("KeyError")]
