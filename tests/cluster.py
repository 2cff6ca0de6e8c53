"""As much of a Kubernetes cluster as Vault asks: tokens of service accounts, and an API that knows them again."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kesdeploy import pki


def token(*, name: str = "kes", namespace: str = "minio", seconds: float = 3600) -> str:
    """What `kubectl create token` gives. Only the cluster could check the signature, and Vault asks the cluster."""
    now = int(time.time())
    account = {"namespace": namespace, "serviceaccount": {"name": name, "uid": f"uid-{name}"}}
    claims = {
        "iss": "https://kubernetes.default.svc",
        "aud": ["https://kubernetes.default.svc"],
        "iat": now - 10,
        "nbf": now - 10,
        "exp": int(now + seconds),
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "kubernetes.io": account,
    }
    parts = [json.dumps({"alg": "ES256", "typ": "JWT"}).encode(), json.dumps(claims).encode(), b"s" * 64]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class Cluster:
    """An API server that answers TokenReview alone. It knows the tokens in `valid`."""

    def __init__(self, folder, authority: pki.Authority, now) -> None:
        self.valid: set[str] = set()
        leaf = authority.issue(pki.LeafRequest("kubernetes", ("127.0.0.1",), pki.Usage.SERVER), now)
        (folder / "k8s.crt").write_bytes(leaf.cert_pem)
        (folder / "k8s.key").write_bytes(leaf.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "k8s.crt", folder / "k8s.key")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def review(self, spec):
        """The status of a TokenReview."""
        jwt = spec["token"].strip()
        if jwt not in self.valid:
            return {"authenticated": False, "error": "the token is not known"}
        claims = json.loads(base64.urlsafe_b64decode(jwt.split(".")[1] + "=="))
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{claims['kubernetes.io']['namespace']}"]
        uid = claims["kubernetes.io"]["serviceaccount"]["uid"]
        user = {"username": claims["sub"], "uid": uid, "groups": groups}
        return {"authenticated": True, "audiences": spec.get("audiences", []), "user": user}


def _handler(cluster: Cluster):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_) -> None:
            pass

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
            body = json.dumps({**kind, "status": cluster.review(asked["spec"])}).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
