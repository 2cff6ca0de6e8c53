"""The wizard: asks only for what the Spec still lacks, in the user's words.

Gives back data: a tree that loads, and the typed secrets apart from it. Writing either is for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from kesdeploy.blocks import Block, Item, Lines, Table, Text
from kesdeploy.errors import Interrupted, SpecError
from kesdeploy.lacking import complaint, get, kind_of, loaded, put, questions, wrong
from kesdeploy.prompt import Choice, anything

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from kesdeploy.keystores import Keystore, Question
    from kesdeploy.spec import Spec

    Taken: TypeAlias = Callable[[str, int], str]

Tree: TypeAlias = dict[str, Any]

_BINDS: Final = (
    Choice("127.0.0.1", "this machine only", "nothing is reachable from the network"),
    Choice("0.0.0.0", "other machines too", "published on every address of this machine, over HTTPS"),
)
_PORTS: Final = ("s3_port", "console_port", "kes_port")
_STEP, _FARTHEST, _LAST_PORT = 10, 20000, 65535


class Asker(Protocol):
    """Whoever can be asked; the console is one."""

    def ask(
        self,
        prompt: str,
        *,
        default: str = "",
        secret: bool = False,
        choices: Sequence[Choice] = (),
        validate: Callable[[str], str] = anything,
    ) -> str: ...

    def confirm(self, prompt: str, *, default: bool = False) -> bool: ...

    def tell(self, blocks: Iterable[Block]) -> None: ...


def taken(ip: str, port: int) -> str:
    """Who holds the port, or an empty string when it is free."""
    from kesdeploy import ports

    return "" if ports.is_free(ip, port) else ports.holder(port) or "another process"


def ask_spec(
    known: Mapping[str, Any],
    keystores: Mapping[str, Keystore],
    ask: Asker,
    *,
    secrets_stored: Collection[str] = (),
    network: bool = False,
    holder: Taken = taken,
) -> tuple[Tree, dict[str, str]]:
    """The tree with every answer, and the secrets that were typed (name in `secrets/` -> value).

    network: also ask who may connect. Raises SpecError when what is known is wrong already, Interrupted on Ctrl-C and
    when the summary is not confirmed.
    """
    if found := wrong(known, keystores):
        raise SpecError("the spec is wrong", found=found, hint="correct that first, then run the same command again")
    interview = _Interview(keystores, ask, holder)
    tree = interview.kms(dict(known))
    tree = interview.name(tree)
    tree, secrets = interview.keystore(tree, secrets_stored)
    tree = interview.buckets(interview.ports(interview.bind(tree) if network else tree))
    interview.confirm(loaded(tree, keystores), secrets)
    return tree, secrets


@dataclass(frozen=True)
class _Interview:
    """One question after the other; each method takes the tree and gives back the next one."""

    keystores: Mapping[str, Keystore]
    asker: Asker
    holder: Taken

    def kms(self, tree: Tree) -> Tree:
        if kind_of(tree) is not None:
            return tree
        choices = [Choice(kind, keystore.title, keystore.summary) for kind, keystore in self.keystores.items()]
        self._explain("The KMS holds the keys that encrypt everything. Without it, no object can be read again.")
        kind = self.asker.ask("Which KMS", default=choices[0].value, choices=choices)
        return put(tree, f"keystore.{kind}", {})

    def name(self, tree: Tree) -> Tree:
        if tree.get("name"):
            return tree
        self._explain("The deployment's name. Its folder is ~/minio-kes-NAME.")
        return self._answered(tree, "name", "Name", default=str(kind_of(tree)))

    def keystore(self, tree: Tree, stored: Collection[str]) -> tuple[Tree, dict[str, str]]:
        secrets: dict[str, str] = {}
        left_out: set[str] = set()
        # One answer may raise or settle the next question.
        while to_ask := [q for q in questions(tree, self.keystores, {*stored, *secrets}) if q.path not in left_out]:
            question = to_ask[0]
            self._explain(question.explain)
            if question.secret:
                secrets[question.store] = self.asker.ask(question.prompt, secret=True, validate=_secret_complaint)
            elif question.skip:
                tree = self._optional(tree, question, left_out)
            else:
                tree = self._answered(tree, question.path, question.prompt, default=question.default)
        return tree, secrets

    def _optional(self, tree: Tree, question: Question, left_out: set[str]) -> Tree:
        def validate(typed: str) -> str:
            return "" if typed == question.skip else complaint(tree, question.path, typed, self.keystores)

        answer = self.asker.ask(question.prompt, default=question.skip, validate=validate)
        if answer == question.skip:
            left_out.add(question.path)
            return tree
        return put(tree, question.path, answer)

    def bind(self, tree: Tree) -> Tree:
        if get(tree, "network.bind"):
            return tree
        self._explain("Who may connect.")
        return put(tree, "network.bind", self.asker.ask("Open to", default=_BINDS[0].value, choices=_BINDS))

    def ports(self, tree: Tree) -> Tree:
        """Ask only when a port is taken: by how much all of them should move."""
        spec = loaded(tree, self.keystores)
        wanted = _ports(spec, self.keystores)
        held = {port: who for port in wanted.values() if (who := self.holder(spec.network.bind, port))}
        if not held:
            return tree
        self.asker.tell([Item("warn", f"port {port} is taken by {who}") for port, who in held.items()])
        self._explain("All ports move together, so that a second deployment fits beside the first.")
        offset = self.asker.ask(
            "Move all ports by",
            default=self._offset(spec, wanted),
            validate=lambda typed: self._bad(typed, spec, wanted),
        )
        for name, port in wanted.items():
            tree = put(tree, f"network.{name}", port + int(offset))
        return tree

    def buckets(self, tree: Tree) -> Tree:
        if get(tree, "minio.buckets") is not None:
            return tree
        self._explain(
            "Buckets to create, each with an encryption rule of its own. Several with spaces; Enter for none."
        )
        typed = self.asker.ask(
            "Buckets", validate=lambda typed: complaint(tree, "minio.buckets", _buckets(typed), self.keystores)
        )
        return put(tree, "minio.buckets", _buckets(typed)) if typed else tree

    def confirm(self, spec: Spec, secrets: Mapping[str, str]) -> None:
        rows = [*_summary(spec, self.keystores), *((name, "typed; kept in secrets/, mode 0600") for name in secrets)]
        self.asker.tell([Lines([""]), Text("Summary", style="bold"), Table((), rows), Lines(())])
        if not self.asker.confirm("Is this right?", default=True):
            raise Interrupted("not confirmed", hint="nothing was changed; run the same command again")

    def _answered(self, tree: Tree, path: str, prompt: str, *, default: str) -> Tree:
        def validate(typed: str) -> str:
            return complaint(tree, path, typed, self.keystores) if typed else "an answer is needed"

        return put(tree, path, self.asker.ask(prompt, default=default, validate=validate))

    def _offset(self, spec: Spec, wanted: Mapping[str, int]) -> str:
        offsets = map(str, range(_STEP, _FARTHEST, _STEP))
        return next((offset for offset in offsets if not self._bad(offset, spec, wanted)), "")

    def _bad(self, typed: str, spec: Spec, wanted: Mapping[str, int]) -> str:
        if not typed.isdecimal():
            return "a number is needed, as in 10"
        for port in (port + int(typed) for port in wanted.values()):
            if port > _LAST_PORT:
                return f"port {port} does not exist; the last one is {_LAST_PORT}"
            if who := self.holder(spec.network.bind, port):
                return f"port {port} is taken by {who}"
        return ""

    def _explain(self, text: str) -> None:
        self.asker.tell([Lines([""]), Text(text, style="dim")])


def _ports(spec: Spec, keystores: Mapping[str, Keystore]) -> dict[str, int]:
    """The ports that this deployment publishes: a keystore that we run publishes one more."""
    names = (*_PORTS, "vault_port") if keystores[spec.kms].components(spec) else _PORTS
    return {name: getattr(spec.network, name) for name in names}


def _buckets(typed: str) -> list[dict[str, str]]:
    return [{"name": name} for name in typed.replace(",", " ").split()]


def _secret_complaint(typed: str) -> str:
    if not typed:
        return "an answer is needed"
    return "it begins or ends with white space; paste it again" if typed != typed.strip() else ""


def _summary(spec: Spec, keystores: Mapping[str, Keystore]) -> list[tuple[str, str]]:
    ports = _ports(spec, keystores)
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
        rows += _flat(value, f"{prefix}{name}.") if below else [(f"{prefix}{name}", str(value))]
    return rows
