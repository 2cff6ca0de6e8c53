"""What a spec still lacks that only the user can say. Pure: trees (plain YAML data) in, questions and problems out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from kesdeploy.errors import Problem, SpecError
from kesdeploy.spec import load

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kesdeploy.keystores import Keystore, Question
    from kesdeploy.spec import KeystoreFields, Spec

    Keystores = Mapping[str, Keystore]
    Tree = Mapping[str, Any]


def missing(tree: Tree, keystores: Keystores, secrets_stored: Collection[str] = ()) -> tuple[Problem, ...]:
    """What is lacking and has no default, each with what gives it. For `--no-input`: exit 2."""
    if kind_of(tree) is None:
        known = ", ".join(keystores)
        return (Problem("missing", f"keystore: which KMS holds the keys ({known})", f"--kms {_any_of(keystores)}"),)
    lacking = (
        question for question in questions(tree, keystores, secrets_stored) if not (question.default or question.skip)
    )
    return tuple(Problem("missing", f"{question.path}: {question.prompt}", _given_by(question)) for question in lacking)


def kind_of(tree: Tree) -> str | None:
    """The KMS that the tree names, if it does."""
    given = tree.get("keystore")
    return str(next(iter(given))) if isinstance(given, dict) and given else None


def questions(tree: Tree, keystores: Keystores, secrets_stored: Collection[str] = ()) -> tuple[Question, ...]:
    """What the tree's KMS asks and nobody answered yet, neither in the tree nor among the stored secrets."""
    kind = kind_of(tree)
    if kind is None or kind not in keystores:
        return ()
    asked = keystores[kind].questions(_fields(tree, keystores[kind]))
    return tuple(q for q in asked if get(tree, q.path) is None and not (q.store and q.store in secrets_stored))


def wrong(tree: Tree, keystores: Keystores) -> tuple[Problem, ...]:
    """What is wrong with the tree, apart from what is lacking."""
    kind = kind_of(tree)
    if kind is None and tree.get("keystore") in (None, {}):
        later = "keystore: "
    else:
        # A section may complain as a whole as long as it is not complete.
        later = f"keystore.{kind}: " if kind in keystores else ": required"
    found = _problems(tree, keystores)
    return tuple(p for p in found if not p.message.endswith(": required") and not p.message.startswith(later))


def complaint(tree: Tree, path: str, value: object, keystores: Keystores) -> str:
    """What the Spec has against this value at this path, or an empty string."""
    for problem in _problems(put(tree, path, value), keystores):
        where, _, what = problem.message.partition(": ")
        if f"{where}.".startswith(f"{path}."):
            return what.partition(" (given: ")[0]
    return ""


def loaded(tree: Tree, keystores: Keystores) -> Spec:
    """The Spec of a complete tree; SpecError with every problem otherwise."""
    kinds = {kind: keystore.fields for kind, keystore in keystores.items()}
    return load(yaml.safe_dump(dict(tree), allow_unicode=True), {}, kinds, where="the spec")


def get(tree: Tree, path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    value: Any = tree
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def put(tree: Tree, path: str, value: object) -> dict[str, Any]:
    """A copy of the tree with the value at this dotted path."""
    first, _, rest = path.partition(".")
    below = tree.get(first)
    return {**tree, first: put(below if isinstance(below, dict) else {}, rest, value) if rest else value}


def _problems(tree: Tree, keystores: Keystores) -> tuple[Problem, ...]:
    try:
        loaded(tree, keystores)
    except SpecError as error:
        return error.found
    return ()


def _fields(tree: Tree, keystore: Keystore) -> KeystoreFields:
    """The keystore's fields as far as they are known; unchecked while they are not complete."""
    from pydantic import ValidationError

    given = get(tree, f"keystore.{keystore.kind}") or {}
    try:
        return keystore.fields.model_validate(given)
    except ValidationError:
        return keystore.fields.model_construct(**(_defaults(keystore) | given))


def _defaults(keystore: Keystore) -> dict[str, Any]:
    return {
        name: None if field.is_required() else field.get_default(call_default_factory=True)
        for name, field in keystore.fields.model_fields.items()
    }


def _given_by(question: Question) -> str:
    value = "@FILE (or env:NAME, or - for stdin)" if question.secret else "VALUE"
    return f"--set {question.path}={value}"


def _any_of(keystores: Keystores) -> str:
    return "|".join(keystores)
