"""What a spec may ask for, and should know the price of. Pure: texts for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.kes_routes import covers, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kesdeploy.kes_section import Policy
    from kesdeploy.spec import Spec

# What makes encrypted data unreadable, at once or after the key was lost.
_DANGEROUS = ("delete", "import", "create")


def cautions(spec: Spec) -> tuple[str, ...]:
    """One text for each thing that works, and that the user should have meant."""
    return (*_policies(spec), *_open_routes(spec), *_strangers(spec))


def _policies(spec: Spec) -> Iterator[str]:
    keys = dict.fromkeys(key for _, key in spec.key_names)
    for name, policy in spec.kes.policies.items():
        for key in keys:
            if paths := [path for verb in _DANGEROUS if _allows(policy, path := f"/v1/key/{verb}/{key}")]:
                verbs = ", ".join(path.split("/")[3] for path in paths)
                yield (
                    f"kes.policies.{name} may {verbs} the key {key!r}: who has it can make the data here unreadable. "
                    f"deny: [{', '.join(paths)}] keeps that from them"
                )
        for place, pattern in enumerate(policy.allow):
            if blocking := [deny for deny in policy.deny if covers(deny, pattern)]:
                yield f"kes.policies.{name}.allow.{place} allows nothing: deny goes first, and has {blocking[0]}"


def _allows(policy: Policy, path: str) -> bool:
    return any(matches(p, path) for p in policy.allow) and not any(matches(p, path) for p in policy.deny)


def _open_routes(spec: Spec) -> Iterator[str]:
    if paths := [path for path, route in spec.kes.api.items() if route.skip_auth]:
        yield (
            f"KES answers {', '.join(paths)} to anybody who reaches it. It has one way to greet all: clients without a "
            "certificate are no longer turned away at the door, but get an error for everything else"
        )


def _strangers(spec: Spec) -> Iterator[str]:
    if spec.kes.auth == "certificate" and (named := spec.kes.identities):
        yield (
            f"kes.auth is certificate: the clients of {', '.join(path for path, _ in named)} need a certificate that "
            "this deployment's CA signed; with an API key they are turned away"
        )
