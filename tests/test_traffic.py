"""What the servers' own counters say, and what is made of it."""

from __future__ import annotations

import pytest
from core_fixtures import KES_METRICS

from kesdeploy import traffic
from kesdeploy.clients.exposition import samples
from kesdeploy.errors import ServiceError


class _Kes:
    def __init__(self, text: str) -> None:
        self.text = text

    def metrics(self) -> str:
        if not self.text:
            raise ServiceError("KES does not tell its counters", because="not authorized", status=403)
        return self.text


class _Minio:
    def __init__(self, **found: object) -> None:
        self.found = found

    def kms_metrics(self) -> dict:
        if not self.found:
            raise ServiceError("no", status=400)
        return self.found


def test_samples_are_names_labels_and_numbers():
    text = '# TYPE a counter\na 1\nb{x="1",y="a \\" b"} 2.5e3\nbroken\nc one\nd{le="+Inf"} 7 1700000000\n'
    assert list(samples(text)) == [("a", {}, 1), ("b", {"x": "1", "y": 'a \\" b'}, 2500), ("d", {"le": "+Inf"}, 7)]


def test_kes_counts_what_it_answered():
    assert traffic.of_kes(_Kes(KES_METRICS)) == traffic.Traffic(27, 1, 0, 0.35, 10.0)


def test_several_codes_of_a_kind_are_added_up():
    text = 'kes_http_request_error{code="404"} 1\nkes_http_request_error{code="403"} 2\n'
    text += 'kes_http_request_failure{code="502"} 4\nkes_http_request_success{code="200"} 8\n'
    assert traffic.of_kes(_Kes(text)) == traffic.Traffic(15, 3, 4, None, None)


def test_what_takes_longer_than_the_last_step_has_no_bound():
    steps = {"10": 1, "+Inf": 100}
    text = "".join(f'kes_http_response_time_bucket{{le="{k}"}} {v}\n' for k, v in steps.items())
    assert traffic.of_kes(_Kes(text)).most_ms is None


def test_counters_that_may_not_be_read_are_none():
    assert traffic.of_kes(_Kes("")) is None
    assert traffic.of_minio(_Minio()) is None
    assert traffic.of_minio(_Minio(kms_req_success="many")) is None
    assert traffic.of_minio(_Minio(kms_req_success=3, kms_resp_time=None)) == traffic.Traffic(3, 0, 0, None, None)


def _data(requests: int | None) -> dict:
    one = None if requests is None else {"requests": requests, "per_second": None}
    return {"traffic": {"kes": one}, "deployment": "fs"}


@pytest.mark.parametrize(
    ("before", "now", "seconds", "rate"),
    [(100, 150, 2, 25.0), (100, 100, 2, 0.0), (100, 3, 2, None), (None, 3, 2, None), (100, 150, 0, None)],
)
def test_rates_are_between_two_looks(before, now, seconds, rate):
    found = traffic.with_rates(_data(now), _data(before), seconds)
    assert found["traffic"]["kes"]["per_second"] == rate
    assert found["deployment"] == "fs"


def test_the_first_look_has_no_rate():
    assert traffic.with_rates(_data(5), None, 1e9) == _data(5)
    assert traffic.with_rates(_data(None), _data(5), 2) == _data(None)
