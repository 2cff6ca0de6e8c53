"""Thales CipherTrust Manager. The numbers are lines of internal/keystore/gemalto/*.go, KES 2025-03-12."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from appliances.base import Answer, Appliance


class CipherTrust(Appliance):
    kind, credential = "keysecure", "CEvk5cdHLG7si05LReIeDbXE3PKD082YdUFAnxX75md3"
    domain = "storage"
    may_delete = True

    @property
    def fields(self) -> dict[str, Any]:
        login = {"token": self.given, "domain": self.domain}
        return {"endpoint": self.address, "credentials": login, "ca": str(self.ca)}

    def answer(self, method: str, path: str, headers: Any, body: Any) -> Answer:
        path, _, query = path.partition("?")
        if path == "/":  # key-secure.go 118-134: any answer will do
            return 200, None
        if path == "/api/v1/auth/tokens":  # client.go 49-114
            wanted = {"grant_type": "refresh_token", "refresh_token": self.credential, "domain": self.domain}
            if body != wanted:
                return 401, {"code": 5, "codeDesc": "NCERRUnauthorizedAccess"}
            return 200, {"token_type": "Bearer", "jwt": "ct-jwt", "duration": 300}
        if headers.get("Authorization") != "Bearer ct-jwt":
            return 401, {"code": 5, "codeDesc": "NCERRUnauthorizedAccess"}
        name = path.removeprefix("/api/v1/vault/secrets").strip("/").partition("/")[0]
        return self._secret(method, name, body) if name or method == "POST" else self._list(query)

    def _secret(self, method: str, name: str, body: Any) -> Answer:
        if not name:  # key-secure.go 139-183
            if body["name"] in self.secrets:
                return 409, {"code": 4, "codeDesc": "NCERRConflict"}
            assert body["dataType"] == "seed"
            self.secrets[body["name"]] = body["material"]
            return 201, {"name": body["name"]}
        if name not in self.secrets:  # 215, 254
            return 404, {"code": 16, "codeDesc": "NCERRResourceNotFound"}
        if method == "DELETE":  # 238-272
            if not self.may_delete:  # as if there were none: 253-261
                return 404, {"code": 16, "codeDesc": "NCERRResourceNotFound"}
            del self.secrets[name]
            return 204, None
        return 200, {"material": self.secrets[name]}  # 194-234

    def _list(self, query: str) -> Answer:  # key-secure.go 298-359: until `skip` reaches `total`
        skip = int(parse_qs(query)["skip"][0])
        found = [{"name": name} for name in sorted(self.secrets)]
        return 200, {"skip": skip, "total": len(found), "resources": found[skip:]}
