"""The wizard's questions, one after the other, for what a tree still lacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from kesdeploy.blocks import Block, Item, Lines, Text
from kesdeploy.home import Home
from kesdeploy.keystores import own_key_name
from kesdeploy.lacking import complaint, get, kind_of, loaded, put, questions
from kesdeploy.prompt import Choice, anything
from kesdeploy.topology import published

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
_STEP, _FARTHEST, _LAST_PORT = 10, 20000, 65535
_NO_BUCKETS: Final = "-"


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


@dataclass(frozen=True)
class Interview:
    """Each method takes the tree and gives back the next one. What was answered is proposed when it is asked again.

    holder: who has a port of an address, or an empty string. environment: what questions may propose answers from.
    """

    keystores: Mapping[str, Keystore]
    asker: Asker
    holder: Taken
    environment: Mapping[str, str]
    answers: dict[str, str] = field(default_factory=dict, repr=False)

    def kms(self, tree: Tree) -> Tree:
        if kind_of(tree) is not None:
            return tree
        choices = [Choice(kind, keystore.title, keystore.summary) for kind, keystore in self.keystores.items()]
        self._explain("The KMS holds the keys that encrypt everything. Without it, no object can be read again.")
        return put(tree, f"keystore.{self._ask('keystore', 'Which KMS', choices[0].value, choices=choices)}", {})

    def name(self, tree: Tree) -> Tree:
        if tree.get("name"):
            return tree
        self._explain(f"The deployment's name. Its folder is {Home.of('NAME').root}.")
        return self._answered(tree, "name", "Name", default=str(kind_of(tree)))

    def keystore(self, tree: Tree, stored: Collection[str]) -> tuple[Tree, dict[str, str]]:
        """The tree with the keystore's own answers, and the secrets that were typed, by their names in `secrets/`."""
        secrets: dict[str, str] = {}
        left_out: set[str] = set()
        # One answer may raise or settle the next question.
        while to_ask := [q for q in questions(tree, self.keystores, {*stored, *secrets}) if q.path not in left_out]:
            question = to_ask[0]
            if question.secret:
                secrets[question.store] = self._secret(question)
                continue
            proposed, says = self._proposed(tree, question)
            self._explain(question.explain, *says)
            if question.skip:
                tree = self._optional(tree, question, proposed, left_out)
            else:
                tree = self._answered(tree, question.path, question.prompt, default=proposed)
        return tree, secrets

    def bind(self, tree: Tree) -> Tree:
        if get(tree, "network.bind"):
            return tree
        self._explain("Who may connect.")
        return put(tree, "network.bind", self._ask("network.bind", "Open to", _BINDS[0].value, choices=_BINDS))

    def ports(self, tree: Tree) -> Tree:
        """Ask only when a port is taken: by how much all of them should move."""
        spec = loaded(tree, self.keystores)
        wanted = published(spec, self.keystores[spec.kms])
        held = {port: who for port in wanted.values() if (who := self.holder(spec.network.bind, port))}
        if not held:
            return tree
        self.asker.tell([Item("warn", f"port {port} is taken by {who}") for port, who in held.items()])
        self._explain("All ports move together, so that a second deployment fits beside the first.")
        free = self._offset(spec, wanted)
        offset = self._ask("offset", "Move all ports by", free, validate=lambda typed: self._bad(typed, spec, wanted))
        for name, port in wanted.items():
            tree = put(tree, f"network.{name}", port + int(offset))
        return tree

    def buckets(self, tree: Tree) -> Tree:
        if get(tree, "minio.buckets") is not None:
            return tree
        how = f"Enter keeps them, {_NO_BUCKETS} for none" if self.answers.get("minio.buckets") else "Enter for none"
        self._explain(f"Buckets to create, each with an encryption rule of its own. Several with spaces; {how}.")

        def validate(typed: str) -> str:
            return complaint(tree, "minio.buckets", _buckets(typed), self.keystores)

        buckets = _buckets(self._ask("minio.buckets", "Buckets", "", validate=validate))
        return put(tree, "minio.buckets", buckets) if buckets else tree

    # --- one answer

    def _ask(self, key: str, prompt: str, default: str, **options: Any) -> str:
        """The answer, which takes the default's place when the question comes again."""
        answer = self.asker.ask(prompt, default=self.answers.get(key, default), **options)
        if answer == default:
            # The default may follow from another answer: then it is to follow again.
            self.answers.pop(key, None)
        else:
            self.answers[key] = answer
        return answer

    def _answered(self, tree: Tree, path: str, prompt: str, *, default: str) -> Tree:
        def validate(typed: str) -> str:
            return complaint(tree, path, typed, self.keystores) if typed else "an answer is needed"

        return put(tree, path, self._ask(path, prompt, default, validate=validate))

    def key(self, tree: Tree) -> Tree:
        """The default key's name, where others reach the keystore: told, not asked, so that the summary is true."""
        spec = loaded(tree, self.keystores)
        if tree.get("key_name") or not self.keystores[spec.kms].shared(spec.keystore):
            return tree
        return put(tree, "key_name", own_key_name(spec.name, spec.kes.key_prefix))

    def _optional(self, tree: Tree, question: Question, proposed: str, left_out: set[str]) -> Tree:
        def validate(typed: str) -> str:
            return "" if typed == question.skip else complaint(tree, question.path, typed, self.keystores)

        answer = self._ask(question.path, question.prompt, proposed or question.skip, validate=validate)
        if answer == question.skip:
            left_out.add(question.path)
            return tree
        return put(tree, question.path, answer)

    def _proposed(self, tree: Tree, question: Question) -> tuple[str, list[str]]:
        """What Enter answers, unless something else was answered before; and what the user has to know of that."""
        variable = self._variable(question)
        value, says = question.default, []
        if variable and (wrong := complaint(tree, question.path, self.environment[variable], self.keystores)):
            says = [f"{variable} is set and cannot be used: {wrong}."]
        elif variable:
            value = self.environment[variable]
            says = [f"{variable} is set: Enter takes its value."] if question.path not in self.answers else []
        if question.skip and self.answers.get(question.path, value or question.skip) != question.skip:
            says.append(f"Type '{question.skip}' to leave it out.")
        return value, says

    def _variable(self, question: Question) -> str:
        return next((name for name in question.environment if self.environment.get(name)), "")

    def _secret(self, question: Question) -> str:
        """What is typed; on Enter alone what was typed before, else what the environment has."""
        variable, before = self._variable(question), self.answers.get(question.path, "")
        kept = before or self.environment.get(variable, "")
        says = "Enter keeps the one that you gave." if before else f"{variable} is set: Enter takes its value."
        self._explain(question.explain, *([says] if kept else []))

        def validate(typed: str) -> str:
            return _secret_complaint(typed or kept)

        self.answers[question.path] = self.asker.ask(question.prompt, secret=True, validate=validate) or kept
        return self.answers[question.path]

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

    def _explain(self, *texts: str) -> None:
        self.asker.tell([Lines([""]), *(Text(text, style="dim") for text in texts)])


def _buckets(typed: str) -> list[dict[str, str]]:
    return [{"name": name} for name in typed.replace(",", " ").split() if name != _NO_BUCKETS]


def _secret_complaint(typed: str) -> str:
    if not typed:
        return "an answer is needed"
    return "it begins or ends with white space; paste it again" if typed != typed.strip() else ""
