"""YAML as people mean it, and strictly.

Only mappings, lists and YAML 1.2's core scalars: `on`, `off`, dates and `0777` stay the text that was written. A key
given twice is refused (PyYAML keeps the last one silently).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from kesdeploy.errors import Problem, SpecError
from kesdeploy.variables import Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTED = re.compile(r"'([^']*)'")
_MOST = 100_000  # values of one text, with everything written out that its anchors stand for
_NEEDS_QUOTES = "a value that begins with '@', '*', '&', '!', '%' or '`' needs quotes, as in \"@FILE\""


def parse(text: str, *, where: str, binary: bool = False) -> dict[str, Any]:
    """The mapping of a YAML text; anything else is a SpecError with line and column. Empty text is an empty mapping.

    `binary`: `!!binary` is text that nobody replaces anything in (variables.Literal); otherwise it is refused.
    """
    tree = _tree(text, where, _WithBinary if binary else _Loader)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        problem = Problem("spec", f"{where}: a mapping is needed at the top")
        raise SpecError(f"{where} is not a mapping", found=(problem,), hint=_next_step(where))
    return tree


def _tree(text: str, where: str, loader: type[_Loader]) -> Any:
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - a SafeLoader that is stricter still
    except yaml.YAMLError as error:
        raise _refused(where, *_told(error)) from None
    except RecursionError:
        raise _refused(where, "it is nested too deeply") from None
    except ValueError as error:  # an explicit tag on what does not fit it, or what no Python value can hold
        raise _refused(where, str(error).partition(":")[0]) from None
    except KeyError:
        raise _refused(where, "an explicit tag does not fit its value") from None


def write(tree: Mapping[str, Any]) -> str:
    """YAML that `parse` gives back as it was, in its order."""
    text = yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True)
    # PyYAML writes these as they are, and reads them as the end of a line.
    unreadable = any(character in text for character in "\x85\u2028\u2029")
    return yaml.safe_dump(dict(tree), sort_keys=False) if unreadable else text


def _refused(where: str, what: str, hint: str = "") -> SpecError:
    problem = Problem("spec", f"{where}: {what}", hint)
    return SpecError(f"{where} is not valid YAML", found=(problem,), hint=_next_step(where))


def _next_step(where: str) -> str:
    return f"correct {where} (`kesdeploy schema` describes every key)"


def _told(error: yaml.YAMLError) -> tuple[str, str]:
    """Where and why, in the parser's words, and a hint. What the parser quotes may be a secret: it is left out."""
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    what = _QUOTED.sub(_unquoted, getattr(error, "problem", None) or str(error).splitlines()[0])
    hint = _NEEDS_QUOTES if re.search(r"'[^\\]' that cannot start|alias|tag|directive", what) else ""
    return place + what, hint


def _unquoted(match: re.Match[str]) -> str:
    """Keep the parser's own words: single characters and token names as `<stream end>`."""
    word = match[1]
    return match[0] if len(word) == 1 or word.startswith(("<", "\\")) else "…"


def _refuse_endless(top: yaml.Node) -> None:
    """Anchors make a few lines stand for billions of values, or for themselves: nobody would see the end of it."""
    waiting: list[Any] = [top]
    for _ in range(_MOST):
        if not waiting:
            return
        node = waiting.pop()
        for part in node.value if isinstance(node, yaml.CollectionNode) else ():
            waiting += part if isinstance(part, tuple) else (part,)
    raise yaml.MarkedYAMLError(problem=f"written out, its anchors are more than {_MOST} values, or have no end")


class _Loader(yaml.SafeLoader):
    """A SafeLoader for YAML 1.2's null, booleans and integers; every other plain scalar is text."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML's own declaration
    yaml_constructors: ClassVar[dict[Any, Any]] = {
        f"tag:yaml.org,2002:{kind}": yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{kind}"]
        for kind in ("null", "bool", "int", "str", "seq", "map")
    } | {None: yaml.SafeLoader.yaml_constructors[None]}

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node:
            _refuse_endless(node)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        # Before merging (`<<`): a key of one's own over a merged one is not given twice.
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (list, dict)):
                raise yaml.MarkedYAMLError(problem="a key must be text", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})", list("-+0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


class _WithBinary(_Loader):
    pass


def _literal(loader: _WithBinary, node: yaml.ScalarNode) -> Literal:
    return Literal(loader.construct_yaml_binary(node).decode())


_WithBinary.add_constructor("tag:yaml.org,2002:binary", _literal)
