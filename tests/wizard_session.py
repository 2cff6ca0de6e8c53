"""The wizard in a real terminal, again and again until `quit` is in the arguments; started by test_wizard.py."""

from __future__ import annotations

import json
import sys
from typing import ClassVar

from kesdeploy.console import Console
from kesdeploy.keystores.fs import Fs
from kesdeploy.keystores.words import Question
from kesdeploy.spec import Address, KeystoreFields
from kesdeploy.wizard import ask_spec


class RemoteFields(KeystoreFields):
    kind: ClassVar[str] = "remote"

    address: Address
    prefix: str | None = None


class Remote(Fs):
    """A KMS that asks everything there is: a value, one with a default that follows from it, a secret."""

    kind: ClassVar[str] = "remote"
    title: ClassVar[str] = "A KMS far away"
    summary: ClassVar[str] = "somebody else runs it, and knows how to keep keys in a safe place"
    fields: ClassVar[type[KeystoreFields]] = RemoteFields

    def questions(self, fields):
        path = "keystore.remote"
        prefix = Question(f"{path}.prefix", "Prefix", "Where in it the keys stand.", default="kes")
        return (
            Question(f"{path}.address", "Address", "Where it listens.", environment=("REMOTE_ADDRESS", "REMOTE_ADDR")),
            *([prefix] if fields.address else []),
            Question(
                f"{path}.token",
                "Token",
                "What lets us in.",
                secret=True,
                store="remote-token",
                environment=("REMOTE_TOKEN",),
            ),
        )


KEYSTORES = {"fs": Fs(), "remote": Remote()}


def main():
    console = Console()
    while True:
        try:
            tree, secrets = ask_spec({}, KEYSTORES, console, network=True, holder=taken)
        except BaseException as error:  # noqa: BLE001
            code = console.fail(error)
        else:
            code = 0
            # Nothing of a secret but its length: the test looks for the secret itself on the screen.
            lengths = {name: len(value) for name, value in secrets.items()}
            sys.stdout.write(f"RESULT {json.dumps([tree, lengths])}\n")
        sys.stdout.write(f"EXIT {code}\n")
        sys.stdout.flush()
        if "again" not in sys.argv:
            return code


def taken(_, port):
    return "another program" if port in (9001, 9010) else ""


if __name__ == "__main__":
    sys.exit(main())
