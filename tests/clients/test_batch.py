"""MinIO's batch jobs against a server that answers as MinIO RELEASE.2025-04-22T22-12-26Z did to the same requests."""

from __future__ import annotations

import json

import pytest
import yaml

from kesdeploy.clients.batch import Jobs, Report
from kesdeploy.clients.minio import Minio
from kesdeploy.errors import ServiceError

JOB = "keyrotate-TBpNbfgNTYbxd6SfSKL4Fw:-1"
START, STATUS, CANCEL = (
    ("POST", "/minio/admin/v3/start-job"),
    ("GET", "/minio/admin/v3/status-job"),
    ("DELETE", "/minio/admin/v3/cancel-job"),
)


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def jobs(server, world) -> Jobs:
    return Jobs(Minio(server.address, "admin", "password", world.ca, 5))


def test_a_job_is_what_minio_reads_and_has_no_filter(server, jobs):
    server.answers[START] = (200, json.dumps({"id": JOB, "type": "keyrotate", "user": "admin"}).encode())
    assert jobs.rotate("photos", "k: 2", "a: b\n/") == JOB
    sent = yaml.safe_load(server.asked[-1].body)["keyrotate"]
    assert (sent["bucket"], sent["prefix"], sent["encryption"]) == (
        "photos",
        "a: b\n/",
        {"type": "sse-kms", "key": "k: 2"},
    )
    assert set(sent) == {"apiVersion", "bucket", "prefix", "encryption", "flags"}
    assert set(sent["flags"]) == {"retry"}
    assert "x-amz-content-sha256" in {name.lower() for name in server.asked[-1].headers}


def test_a_key_that_is_not_there(server, jobs):
    server.answers[START] = (404, b'{"Code":"kms:KeyNotFound","Message":"key with given key ID does not exist"}')
    with pytest.raises(ServiceError, match="'nokey'") as caught:
        jobs.rotate("photos", "nokey")
    assert caught.value.status == 404
    assert caught.value.because == "kms:KeyNotFound: key with given key ID does not exist"


@pytest.mark.parametrize(
    ("complete", "failed", "ended"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_a_report(server, jobs, complete, failed, ended):
    rotation = {"lastBucket": "photos", "lastObject": "s3", "objects": 6, "objectsFailed": 1}
    body = {"LastMetric": {"jobID": JOB, "complete": complete, "failed": failed, "rotation": rotation}}
    server.answers[STATUS] = (200, json.dumps(body).encode())
    assert jobs.report(JOB) == Report(ended, 6, 1)
    assert server.asked[-1].path.endswith("jobId=keyrotate-TBpNbfgNTYbxd6SfSKL4Fw%3A-1")


def test_no_report_yet(server, jobs):
    server.answers[STATUS] = (404, b'{"Code":"XMinioAdminNoSuchJob","Message":"The specified job does not exist."}')
    assert jobs.report(JOB) is None
    server.answers[STATUS] = (403, b'{"Code":"AccessDenied","Message":"no"}')
    with pytest.raises(ServiceError, match="how far"):
        jobs.report(JOB)


def test_a_job_is_forgotten(server, jobs):
    server.answers[CANCEL] = (204, b"")
    jobs.drop(JOB)
    assert server.asked[-1].path.endswith("id=keyrotate-TBpNbfgNTYbxd6SfSKL4Fw%3A-1")
