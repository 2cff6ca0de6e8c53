from __future__ import annotations

import dataclasses

import pytest

from kesdeploy.errors import DataProtected, Problem, SpecError
from kesdeploy.result import Result, document, of_error


def test_document_has_the_keys_of_the_contract_in_order():
    body = document(Result("status", {"name": "fs"}, problems=(Problem("warning", "open to all", "--bind 127.0.0.1"),)))
    assert body == {
        "schema": 1,
        "command": "status",
        "ok": True,
        "data": {"name": "fs"},
        "problems": [{"code": "warning", "message": "open to all", "hint": "--bind 127.0.0.1"}],
    }
    assert list(body) == ["schema", "command", "ok", "data", "problems"]


def test_an_error_becomes_a_result_with_its_exit_code():
    result = of_error("up", DataProtected("refused", because="another key", hint="kesdeploy up -n other"))
    assert not result.ok
    assert result.exit_code == 9
    assert result.problems == (Problem("data-protected", "refused: another key", "kesdeploy up -n other"),)


def test_a_spec_error_keeps_every_problem():
    found = (Problem("spec", "name: required"), Problem("spec", "kes: unknown key"))
    assert of_error("plan", SpecError("two", found=found)).problems == found


def test_a_result_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Result("up").ok = False
