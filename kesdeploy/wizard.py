"""The wizard: asks only for what the Spec still lacks, in the user's words.

Gives back data: a tree that loads, and the typed secrets apart from it. Writing either is for others.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from kesdeploy import clash
from kesdeploy.blocks import Item, Lines, Table, Text, cell_text
from kesdeploy.errors import Interrupted, SpecError
from kesdeploy.interview import Asker, Interview, Tree
from kesdeploy.lacking import loaded, wrong
from kesdeploy.prompt import Choice
from kesdeploy.topology import published

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from kesdeploy.errors import KesdeployError
    from kesdeploy.interview import Taken
    from kesdeploy.keystores import Keystore
    from kesdeploy.spec import Spec

    Prove = Callable[[Spec, Mapping[str, str]], KesdeployError | None]

_CHANGE, _LEAVE = "change", "leave"
_ALL_THE_SAME: Final = Choice("keep", "keep them all the same", "`up` tests them again before it starts anything")
_NEXT: Final = (
    Choice(_CHANGE, "the same questions again", "Enter keeps what you answered"),
    Choice(_LEAVE, "write nothing", "your answers are gone"),
)


def ask_spec(  # noqa: PLR0913 - what a test puts in the place of the world
    known: Mapping[str, Any],
    keystores: Mapping[str, Keystore],
    ask: Asker,
    *,
    secrets_stored: Collection[str] = (),
    network: bool = False,
    holder: Taken = clash.spoken_for,
    prove: Prove | None = None,
) -> tuple[Tree, dict[str, str]]:
    """The tree with every answer, and the secrets that were typed (name in `secrets/` -> value).

    network: also ask who may connect. prove: tries the answers out on a KMS that others run. Raises SpecError when what
    is known is wrong already, Interrupted on Ctrl-C and when the user leaves at the summary.
    """
    if found := wrong(known, keystores):
        raise SpecError("the spec is wrong", found=found, hint="correct that first, then run the same command again")
    interview = Interview(keystores, ask, holder, os.environ)
    while True:
        tree, secrets = interview.keystore(interview.name(interview.kms(dict(known))), secrets_stored)
        tree = interview.key(tree)
        if not _tried(loaded(tree, keystores), secrets, keystores, ask, prove):
            continue
        tree = interview.buckets(interview.ports(interview.bind(tree) if network else tree))
        if _confirmed(loaded(tree, keystores), secrets, keystores, ask):
            return tree, secrets


def _tried(
    spec: Spec, secrets: Mapping[str, str], keystores: Mapping[str, Keystore], ask: Asker, prove: Prove | None
) -> bool:
    """Show what a KMS of others has to allow, and try the answers out. False when they are to be changed."""
    keystore = keystores[spec.kms]
    if not keystore.shared(spec.keystore):
        return True
    ask.tell([Lines([""])])
    policy = keystore.policy(spec)
    if policy and ask.confirm("Show what your KMS has to allow KES?"):
        ask.tell([Lines(policy.rstrip("\n").split("\n")), Lines([""])])
    if not prove or not ask.confirm("Test these settings now?", default=True):
        return True
    error = prove(spec, secrets)
    if error is None:
        ask.tell([Item("ok", "they work")])
        return True
    ask.tell([Item("failed", error.what, [text for text in (error.because, error.hint) if text]), Lines([""])])
    chosen = ask.ask("What now", default=_CHANGE, choices=(_NEXT[0], _ALL_THE_SAME, _NEXT[1]))
    if chosen == _LEAVE:
        raise Interrupted("the settings do not work", hint="nothing was changed; run the same command again")
    return chosen != _CHANGE


def _confirmed(spec: Spec, secrets: Mapping[str, str], keystores: Mapping[str, Keystore], ask: Asker) -> bool:
    """Whether the summary is right; False when answers are to be changed. Interrupted when the user leaves."""
    rows = [*_summary(spec, keystores), *((name, "given; kept in secrets/, mode 0600") for name in secrets)]
    ask.tell([Lines([""]), Text("Summary", style="bold"), Table((), rows), Lines(())])
    if ask.confirm("Is this right?", default=True):
        return True
    ask.tell([Lines([""])])
    if ask.ask("What now", default=_CHANGE, choices=_NEXT) == _LEAVE:
        raise Interrupted("not confirmed", hint="nothing was changed; run the same command again")
    return False


def _summary(spec: Spec, keystores: Mapping[str, Keystore]) -> list[tuple[str, str]]:
    ports = published(spec, keystores[spec.kms])
    named = ", ".join(f"{name.removesuffix('_port')} {port}" for name, port in ports.items())
    return [
        ("name", spec.name),
        ("KMS", f"{spec.kms}: {keystores[spec.kms].title}"),
        *_flat(spec.keystore.model_dump(mode="json", exclude_unset=True), f"{spec.kms}."),
        ("default key", spec.key_name),
        ("published on", f"{spec.network.bind} ({'HTTPS' if spec.https else 'HTTP'} for S3)"),
        ("ports", named),
        ("buckets", ", ".join(bucket.name for bucket in spec.minio.buckets)),
    ]


def _flat(fields: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    """The keystore's own answers, nested ones by dotted name."""
    rows: list[tuple[str, str]] = []
    for name, value in fields.items():
        below = isinstance(value, dict)
        rows += _flat(value, f"{prefix}{name}.") if below else [(f"{prefix}{name}", cell_text(value))]
    return rows
