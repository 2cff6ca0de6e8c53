"""Entrust KeyControl. The numbers are lines of internal/keystore/entrust/keycontrol.go, KES 2025-03-12."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliances.base import Answer, Appliance

if TYPE_CHECKING:
    from pathlib import Path


class KeyControl(Appliance):
    kind, credential = "entrust", "hunter2-password"
    vault, box, user = "e30497c1-bff7-4e81-beb7-fb35c4b7410c", "tenant-1", "kes@example.org"
    lifetime: float = 3600  # of a token, in seconds

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.tokens: dict[str, float] = {}
        super().__init__(folder, host)

    @property
    def fields(self) -> dict[str, Any]:
        login = {"username": self.user, "password": self.given}
        return {
            "endpoint": self.address,
            "vault_id": self.vault,
            "box_id": self.box,
            "credentials": login,
            "ca": str(self.ca),
        }

    def answer(self, method: str, path: str, headers: Any, body: Any) -> Answer:
        verb, _, vault = path.removeprefix("/vault/1.0/").strip("/").partition("/")
        if verb == "Login":
            return self._login(vault, body)
        if self.tokens.get(headers.get("X-Vault-Auth", ""), 0) < datetime.now(UTC).timestamp():
            return 401, {"error": "Invalid token"}
        if verb == "Renew":  # 519-563
            return 200, self._token()
        if body["box_id"] != self.box:
            return 404, {"error": "Box not found"}
        return getattr(self, f"_{verb.lower()}")(body)

    def _login(self, vault: str, body: Any) -> Answer:  # 457-515
        if vault != self.vault:
            return 404, {"error": "Vault not found"}
        if body != {"username": self.user, "password": self.credential}:
            return 401, {"error": "Invalid username or password"}
        return 200, self._token()

    def _token(self) -> dict[str, str]:
        token, end = f"kc-token-{len(self.asked)}", datetime.now(UTC).timestamp() + self.lifetime
        self.tokens[token] = end
        return {"access_token": token, "expires_at": datetime.fromtimestamp(end, UTC).isoformat()}  # 468-471

    def _getbox(self, _: Any) -> Answer:  # 118-160
        return 200, {"box_id": self.box}

    def _createsecret(self, body: Any) -> Answer:  # 165-204, 577
        if body["name"] in self.secrets:
            return 409, {"error": "Secret already exists"}
        self.secrets[body["name"]] = body["secret_data"]
        return 200, {"secret_id": body["name"]}

    def _checkoutsecret(self, body: Any) -> Answer:  # 215-262, 579
        if body["secret_id"] not in self.secrets:
            return 404, {"error": "Secret not found"}
        return 200, {"secret_data": self.secrets[body["secret_id"]]}

    def _deletesecret(self, body: Any) -> Answer:  # 266-304
        found = self.secrets.pop(body["secret_id"], None)
        return (200, {}) if found else (404, {"error": "Secret not found"})

    def _listsecretids(self, _: Any) -> Answer:  # 323-415
        # The field has no tag in KES: its decoder takes any case.
        return 200, {"secrets": [{"name": name, "expired": False} for name in sorted(self.secrets)], "next_token": ""}
