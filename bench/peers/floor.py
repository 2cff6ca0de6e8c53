"""What an engine and its Python library take for two containers alone. Called by two.sh, told by the same environment.

In order: MinIO is started once KES answers, as by everybody who does not want a MinIO without its KMS.

usage: floor.py podman-py|podman-in-order|docker-py|docker-in-order up|down
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

STOPS_WITHIN = 10
ANSWERS_WITHIN = 10


def main(way: str, command: str) -> None:
    engine, _, order = way.partition("-")
    name, folder, in_order = os.environ["NAME"], Path(os.environ["FOLDER"]), order == "in-order"
    match engine, command:
        case "podman", "up":
            podman_up(name, folder, in_order=in_order)
        case "podman", "down":
            podman_down(name)
        case "docker", "up":
            docker_up(name, folder, in_order=in_order)
        case "docker", "down":
            docker_down(name, folder)


def kes_answers() -> None:
    """Wait until KES speaks TLS. Raises OSError of the last attempt."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    last = time.monotonic() + ANSWERS_WITHIN
    while True:
        try:
            with socket.create_connection(("127.0.0.1", int(os.environ["KES_PORT"])), 1) as plain:
                anybody.wrap_socket(plain).close()
                return
        except OSError:
            if time.monotonic() > last:
                raise
            time.sleep(0.005)


def both(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """KES and MinIO, as both libraries call it."""

    def binds(data: Path, target: str) -> dict[str, dict[str, str]]:
        read_only = {str(folder / part): {"bind": f"/{part}", "mode": "ro"} for part in ("certs", "config")}
        return read_only | {str(data): {"bind": target, "mode": "rw"}}

    common = {"detach": True, "restart_policy": {"Name": "always"}}
    kes = common | {
        "image": os.environ["KES_IMAGE"],
        "name": f"{name}-kes-server",
        "entrypoint": ["/kes"],
        "command": ["server", "--config", "/config/kes-config.yaml"],
        "volumes": binds(folder / "kes", "/keys"),
    }
    minio = common | {
        "image": os.environ["MINIO_IMAGE"],
        "name": f"{name}-minio-server",
        "entrypoint": ["minio"],
        "command": ["server", "--console-address", ":9001"],
        "environment": {"MINIO_CONFIG_ENV_FILE": "/config/minio"},
        "volumes": binds(folder / "minio", "/mnt/minio"),
    }
    return kes, minio


def ports() -> tuple[dict[int, int], dict[int, int]]:
    """Host's by container's, of KES and of MinIO."""
    return (
        {7373: int(os.environ["KES_PORT"])},
        {9000: int(os.environ["S3_PORT"]), 9001: int(os.environ["CONSOLE_PORT"])},
    )


@contextmanager
def podman_client() -> Iterator[Any]:
    """With a service of its own, as kesdeploy starts one where none listens."""
    from podman import PodmanClient

    # Short: a socket's path is at most 108 bytes long.
    with tempfile.TemporaryDirectory(prefix="kesdeploy-floor-", dir="/tmp") as folder:
        socket = Path(folder) / "s"
        service = subprocess.Popen(("podman", "system", "service", "--time=0", f"unix://{socket}"))
        try:
            while not socket.exists():
                if service.poll() is not None:
                    raise SystemExit(service.returncode or 1)
                time.sleep(0.005)
            with PodmanClient(base_url=f"unix://{socket}") as client:
                yield client
        finally:
            service.terminate()
            service.wait(STOPS_WITHIN)


def podman_up(name: str, folder: Path, *, in_order: bool) -> None:
    mapped = [
        {"container_port": inside, "host_port": outside, "host_ip": "127.0.0.1"}
        for half in ports()
        for inside, outside in half.items()
    ]
    with podman_client() as client:
        pod = client.pods.create(f"minio-kes-{name}", portmappings=mapped)
        kes, minio = (client.containers.create(pod=pod, **container) for container in both(name, folder))
        if in_order:
            kes.start()
            kes_answers()
            minio.start()
        else:
            pod.start()


def podman_down(name: str) -> None:
    with podman_client() as client:
        pod = client.pods.get(f"minio-kes-{name}")
        pod.stop(timeout=STOPS_WITHIN)
        pod.remove(force=True)


def docker_up(name: str, folder: Path, *, in_order: bool) -> None:
    import docker

    client, network = docker.from_env(), f"minio-kes-{name}"
    client.networks.create(network)
    endpoint = {network: client.api.create_endpoint_config(aliases=["kes"])}
    kes, minio = both(name, folder)
    published = [{inside: ("127.0.0.1", outside) for inside, outside in half.items()} for half in ports()]
    client.containers.run(ports=published[0], network=network, networking_config=endpoint, **kes)
    if in_order:
        kes_answers()
    client.containers.run(ports=published[1], network=network, **minio)


def docker_down(name: str, folder: Path) -> None:
    import docker

    client = docker.from_env()

    def end(container: dict[str, Any]) -> None:
        made = client.containers.get(container["name"])
        made.stop(timeout=STOPS_WITHIN)
        made.remove()

    with ThreadPoolExecutor() as pool:
        list(pool.map(end, both(name, folder)))
    client.networks.get(f"minio-kes-{name}").remove()


if __name__ == "__main__":
    main(*sys.argv[1:])
