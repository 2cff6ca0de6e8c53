"""One AppRole of Vault's: its id, and the secret ids that log in with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class SecretId:
    """What an AppRole logs in with. Its accessor names it to those who may not know it."""

    value: str = field(repr=False)
    accessor: str


class Role:
    """An AppRole. Made by `Vault.role`, whose token it uses and whose errors it raises."""

    def __init__(self, ask: Callable[..., Any], approle: Any, mount: str, name: str) -> None:
        self._ask, self._approle, self.mount, self.name = ask, approle, mount, name

    def id(self) -> str:
        what = f"Vault does not tell the id of the role {self.name!r}"
        return str(self._said(what, self._approle.read_role_id)["role_id"])

    def new_secret_id(self) -> SecretId:
        """One more secret id; the earlier ones stay good."""
        what = f"Vault gives no secret id for the role {self.name!r}"
        found = self._said(what, self._approle.generate_secret_id)
        return SecretId(found["secret_id"], found["secret_id_accessor"])

    def accessor(self, secret_id: str) -> str:
        """The accessor of a secret id; empty for one that Vault does not know."""
        what = f"Vault does not look up a secret id of the role {self.name!r}"
        return str(self._said(what, self._approle.read_secret_id, secret_id).get("secret_id_accessor", ""))

    def destroy(self, secret_id: str) -> None:
        """From now on, nobody logs in with it. One that is gone already is no error."""
        self._said(self._refused, self._approle.destroy_secret_id, secret_id)

    def destroy_all_but(self, accessor: str) -> None:
        """Every secret id but one: also those that nobody remembers."""
        listed = self._said(
            f"Vault does not list the secret ids of the role {self.name!r}", self._approle.list_secret_id_accessors
        )
        for other in set(listed["keys"]) - {accessor}:
            self._said(self._refused, self._approle.destroy_secret_id_accessor, other)

    @property
    def _refused(self) -> str:
        return f"Vault does not destroy a secret id of the role {self.name!r}"

    def _said(self, what: str, call: Callable[..., Any], *about: str) -> dict[str, Any]:
        answer = self._ask(what, partial(call, self.name, *about, mount_point=self.mount))
        return dict(answer.get("data") or {})
