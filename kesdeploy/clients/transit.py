"""A key of Vault's transit engine, which encrypts for others and never leaves Vault."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class About:
    """`version` is the newest one. `rotates`: whether Vault makes new ones by itself, from time to time."""

    version: int
    rotates: bool


@dataclass(frozen=True)
class Transit:
    """The key `name` of the engine at `mount`. Every refusal is a ServiceError with Vault's own words and status."""

    ask: Callable[[str, Callable[[], Any]], Any]
    api: Callable[[Any], Any]
    mount: str
    name: str

    def about(self) -> About:
        """ServiceError 404 when there is no such key or engine, 403 when the token may not look."""
        found = self._ask("show", self._engine.read_key)["data"]
        # Seconds, or a text as in 0s or 720h0m0s, as the release likes it.
        rotates = str(found.get("auto_rotate_period", 0)).strip("0hms") != ""
        return About(found["latest_version"], rotates)

    def encrypt(self, plaintext: bytes) -> str:
        """The ciphertext, `vault:vN:…`. Makes the key when there is none and the token may create one."""
        text = base64.b64encode(plaintext).decode()
        return str(self._ask("encrypt with", self._engine.encrypt_data, plaintext=text)["data"]["ciphertext"])

    def decrypt(self, ciphertext: str) -> bytes:
        opened = self._ask("decrypt with", self._engine.decrypt_data, ciphertext=ciphertext)
        return base64.b64decode(opened["data"]["plaintext"])

    def ensure(self) -> None:
        """Make the key if there is none."""
        self._ask("make", self._engine.create_key)

    @property
    def _engine(self) -> Any:
        from hvac.api.secrets_engines import Transit as Engine

        return self.api(Engine)

    def _ask(self, verb: str, call: Callable[..., Any], **given: str) -> Any:
        what = f"Vault does not {verb} the transit key {self.name!r}"
        return self.ask(what, partial(call, self.name, mount_point=self.mount, **given))
