"""Certificates of servers: of the deployment's own CA, or the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kesdeploy.resources import Brought, Certificate, Resource, Secret
from kesdeploy.topology.names import CA, container_name, kes_host, s3_host, server_names

if TYPE_CHECKING:
    from kesdeploy.server_certificate import ServerCertificate
    from kesdeploy.spec import Spec

KES_PART, MINIO_PART = "kes-server", "minio-server"


def section(spec: Spec, part: str) -> ServerCertificate | None:
    """What the spec says of a certificate that the user brings for it."""
    return {KES_PART: spec.kes.certificate, MINIO_PART: spec.minio.certificate}.get(part)


def leaf(spec: Spec, part: str, ca_file: str = "") -> tuple[Resource, ...]:
    """The server's certificate, and the copies of what it is made of."""
    given, folder = section(spec, part), f"certs/{part}"
    if given is None:
        body = Certificate(folder, part, server_names(spec, part), ca_file)
        return (Resource(f"certificate/{part}", body, (CA,)),)
    copies = _copies(given, part)
    brought = Brought(f"{part}.crt", f"{part}.key", f"{part}-ca.crt" if given.ca else "")
    body = Certificate(folder, part, called(spec, part), ca_file, brought)
    needs = (*(copy.address for copy in copies), *((CA,) if ca_file else ()))
    return (*copies, Resource(f"certificate/{part}", body, needs))


def called(spec: Spec, part: str) -> tuple[str, ...]:
    """What a server is called by, by clients and, in the pod, by its neighbours."""
    if part == KES_PART:
        return tuple(dict.fromkeys((container_name(spec.name, part), kes_host(spec))))
    return (s3_host(spec),)


def trusted(spec: Spec, part: str) -> tuple[str, ...]:
    """The resources that hold the root of a brought certificate, where it is none of the public ones."""
    given = section(spec, part)
    return (f"secret/{part}-ca.crt",) if given and given.ca else ()


def _copies(given: ServerCertificate, part: str) -> list[Resource]:
    files = {f"{part}.crt": f"@{given.cert}", f"{part}.key": given.key}
    files |= {f"{part}-ca.crt": f"@{given.ca}"} if given.ca else {}
    return [Resource(f"secret/{name}", Secret(name, "given", source)) for name, source in files.items()]
