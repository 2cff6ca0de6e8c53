"""Fortanix DSM. The numbers are lines of internal/keystore/fortanix/keystore.go, KES 2025-03-12."""

from __future__ import annotations

from typing import Any

from appliances.base import Answer, Appliance


class Sdkms(Appliance):
    kind, credential = "fortanix", "YXBwLXV1aWQ6YXBwLXNlY3JldA=="
    group = "ce08d547-2a82-411e-ae2d-83655a4b7617"

    @property
    def fields(self) -> dict[str, Any]:
        login = {"key": self.given}
        return {"endpoint": self.address, "group_id": self.group, "credentials": login, "ca": str(self.ca)}

    def answer(self, method: str, path: str, headers: Any, body: Any) -> Answer:
        path = path.partition("?")[0]
        if path == "/":  # 185-201: any answer will do
            return 200, None
        given = headers.get("Authorization", "")
        if path == "/sys/v1/session/terminate":  # 158-174
            return (204, None) if given == "Bearer fx-session" else (401, {"message": "Unauthorized"})
        if given != f"Basic {self.credential}":
            return 401, {"message": "Invalid authentication credentials"}
        # 110-152
        fixed = {"/sys/v1/health": (204, None), "/sys/v1/session/auth": (200, {"access_token": "fx-session"})}
        return fixed.get(path) or self._key(method, path, body)

    def _key(self, method: str, path: str, body: Any) -> Answer:
        if method == "PUT":
            return self._create(body)
        if path == "/crypto/v1/keys/export":  # 287-319, 350-403
            if body["name"] not in self.secrets:
                return 404, {"message": "sobject does not exist"}
            return 200, {"kid": f"kid-{body['name']}", "value": self.secrets[body["name"]], "enabled": True}
        if method == "DELETE":  # 322-344
            self.secrets.pop(path.rpartition("/kid-")[2])
            return 204, None
        return 200, [{"name": name} for name in sorted(self.secrets)]  # 417-456: whatever `start` says

    def _create(self, body: Any) -> Answer:  # 207-259
        if body.get("group_id", self.group) != self.group:
            return 403, {"message": "Requested group not found"}
        if body["name"] in self.secrets:
            return 409, {"message": "sobject already exists"}
        assert (body["obj_type"], body["key_ops"]) == ("OPAQUE", ["EXPORT", "APPMANAGEABLE"])
        self.secrets[body["name"]] = body["value"]
        return 201, {"kid": f"kid-{body['name']}"}
