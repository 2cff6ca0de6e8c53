"""Other values in a YAML text, and the rest as people wrote it: comments, order, quotes."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import TYPE_CHECKING, Any

from kesdeploy.errors import SpecError
from kesdeploy.yamltext import parse, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruamel.yaml.comments import CommentedMap

# A list that stands deeper than its name.
_INDENTED = re.compile(r"^( *)[^ #\n][^\n]*:[^\n]*\n\1 +- ", re.MULTILINE)


def says(text: str, tree: Mapping[str, Any]) -> bool:
    """Whether the text means exactly this."""
    try:
        # As JSON: in Python, 1 is True.
        return json.dumps(parse(text, where=""), sort_keys=True) == json.dumps(tree, sort_keys=True)
    except SpecError:
        return False


def edited(text: str, tree: Mapping[str, Any]) -> str:
    """A text that means `tree`, as near to the one that is there as can be; a new one where that is not possible.

    What is not in `tree` any more goes, with the comment behind it.
    """
    if says(text, tree):
        return text
    changed = _changed(text, tree)
    # Anchors, and what YAML 1.2 and its readers see differently: the meaning goes before the looks.
    return changed if says(changed, tree) else write(tree)


def _changed(text: str, tree: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError

    yaml, out = YAML(), StringIO()
    yaml.preserve_quotes, yaml.width = True, 4096
    if _INDENTED.search(text):
        yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        there = yaml.load(text)
        if not isinstance(there, CommentedMap):
            return ""
        _lay_over(there, tree)
        yaml.dump(there, out)
    except (YAMLError, ValueError, RecursionError):
        return ""
    return out.getvalue()


def _lay_over(there: CommentedMap, tree: Mapping[str, Any]) -> None:
    for key in [key for key in there if key not in tree]:
        del there[key]
    for place, (key, value) in enumerate(tree.items()):
        if key not in there:
            there.insert(min(place, len(there)), key, value)
        else:
            _put(there, key, value)


def _put(there: CommentedMap | list[Any], at: Any, value: Any) -> None:
    """In its place, and no further up than where it differs."""
    from ruamel.yaml.comments import CommentedMap

    kept = there[at]
    if isinstance(kept, CommentedMap) and isinstance(value, dict):
        _lay_over(kept, value)
    elif isinstance(kept, list) and isinstance(value, list):
        del kept[len(value) :]
        for place, item in enumerate(value[: len(kept)]):
            _put(kept, place, item)
        kept.extend(value[len(kept) :])
    elif kept != value or isinstance(kept, bool) != isinstance(value, bool):
        there[at] = value
