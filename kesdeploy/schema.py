"""The JSON Schema of the spec file, for editors: every key with its type, default and description."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from kesdeploy.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core.core_schema import ModelSchema

    from kesdeploy.spec import KeystoreFields


def json_schema(kinds: Mapping[str, type[KeystoreFields]]) -> dict[str, Any]:
    """JSON Schema 2020-12 of a spec whose keystore is one of `kinds`."""
    schema = Spec.model_json_schema(schema_generator=_Described)
    kind_schemas = {kind: _of_keystore(kind, fields) for kind, fields in kinds.items()}
    for kind, body in kind_schemas.items():
        inner = body.pop("$defs", {})
        schema.setdefault("$defs", {}).update({f"{kind}.{name}": model for name, model in inner.items()})
    schema["properties"]["keystore"] = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": kind_schemas,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _of_keystore(kind: str, fields: type[KeystoreFields]) -> dict[str, Any]:
    """Two keystores may both have a section that is called Credentials."""
    template = f"#/$defs/{kind}.{{model}}"
    return fields.model_json_schema(schema_generator=_Described, ref_template=template)


class _Described(GenerateJsonSchema):
    """With the docstring below each field. Pydantic reads them too, but at each start: 26 ms for this alone."""

    def model_schema(self, schema: ModelSchema) -> dict[str, Any]:
        described = super().model_schema(schema)
        for name, text in _field_docstrings(schema["cls"]).items():
            described["properties"][name].setdefault("description", text)
        return described


def _field_docstrings(model: type) -> dict[str, str]:
    body = ast.parse(dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
