"""bucket check: every object of a bucket, each version of it, and whether it is encrypted with an expected key.

MinIO says which objects there are. How each is encrypted, its drives tell where they are here; else HEAD does, which
does not name the key of SSE-S3.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from kesdeploy import drives, opening, services
from kesdeploy.buckets import rules
from kesdeploy.errors import Problem, ServiceError
from kesdeploy.home import PROOF_BUCKET
from kesdeploy.keyring.door import plainly
from kesdeploy.result import Result
from kesdeploy.xlmeta import CUSTOMER, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kesdeploy.clients.minio import Minio
    from kesdeploy.home import Home
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter
    from kesdeploy.spec import Spec

BAD_REQUEST, NOT_FOUND = 400, 404
HEADS = {"aws:kms": rules.KMS, "AES256": rules.S3}
SHOWN = 100
"""Exceptions that are named; all are counted."""
_TOGETHER, _AT_ONCE = 4, 400


@dataclass(frozen=True)
class Found:
    """A version of an object. key: empty where there is none, or nobody tells. asked: HEAD told, not a drive."""

    object: str
    version: str
    sse: str
    key: str
    asked: bool = False


@dataclass
class Tally:
    """What was found in a bucket. `wrong`: what is not as expected, the first of them."""

    keys: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[dict[str, str]] = field(default_factory=list)
    wrongs: int = 0
    asked: int = 0

    @property
    def objects(self) -> int:
        return self.keys.total()


@dataclass(frozen=True)
class Look:
    """How to look at a bucket's objects. `head`: MinIO is asked for each, whatever the drives tell."""

    spec: Spec
    home: Home
    minio: Minio
    head: bool = False

    def at(self, bucket: str, prefix: str = "") -> Iterator[Found]:
        listed = groupby(self.minio.versions(bucket, prefix), key=itemgetter(0))
        objects = ((name, tuple(version for _, version in of_it)) for name, of_it in listed)
        with ThreadPoolExecutor(_TOGETHER) as pool:
            while some := list(islice(objects, _AT_ONCE)):
                for found in pool.map(partial(self._object, bucket), some):
                    yield from found

    def _object(self, bucket: str, listed: tuple[str, tuple[str, ...]]) -> list[Found]:
        name, versions = listed
        told = {each.id: each for each in drives.versions(self.spec, self.home, bucket, name) or ()}
        return [f for version in versions if (f := self._version(bucket, name, version, told.get(version)))]

    def _version(self, bucket: str, name: str, version: str, told: Version | None) -> Found | None:
        if told and not self.head:
            return Found(name, version, told.sse, told.key)
        return self._headed(bucket, name, version, told)

    def _headed(self, bucket: str, name: str, version: str, told: Version | None) -> Found | None:
        """None for what is gone by now."""
        try:
            head = self.minio.head(bucket, name, version)
        except ServiceError as error:
            if error.status == NOT_FOUND:
                return None
            if error.status != BAD_REQUEST:
                raise
            # Of what a client's own key encrypts, MinIO says nothing without that key.
            return Found(name, version, CUSTOMER, "", asked=True)
        sse = HEADS.get(head.sse, head.sse)
        key = head.key or (told.key if told and sse == rules.S3 else "")
        return Found(name, version, sse, key, asked=True)


def check(
    wish: Wish,
    report: Reporter,
    wanted: Sequence[str],
    *,
    keys: Sequence[str] = (),
    prefix: str = "",
    head: bool = False,
) -> Result:
    """These buckets, or all. `keys`: what is expected; by default the key of each bucket's rule.

    Exit code 7 when anything is not as expected.
    """
    home = opening.existing(wish)
    spec = opening.load(wish, home)
    with plainly(wish, spec, home):
        minio = services.minio(spec, home)
        look = Look(spec, home, minio, head)
        found = []
        for rule in _rules(spec, minio, wanted):
            with report.step(f"look at every object of {rule.bucket}"):
                expected = tuple(keys) or ((rule.key,) if rule.key else ())
                found.append(_row(rule, expected, tally(look.at(rule.bucket, prefix), expected)))
    problems = tuple(_problem(home.name, row) for row in found if row["wrong"])
    data = {"deployment": home.name, "buckets": found}
    return Result("bucket check", data, ok=not problems, problems=problems, exit_code=7 if problems else 0)


def _rules(spec: Spec, minio: Minio, wanted: Sequence[str]) -> Iterable[rules.Rule]:
    if wanted:
        return [rules.of(spec, minio, bucket) for bucket in dict.fromkeys(wanted)]
    return [rule for rule in rules.every(spec, minio) if rule.bucket != PROOF_BUCKET]


def tally(objects: Iterable[Found], expected: Sequence[str]) -> Tally:
    found = Tally()
    for each in objects:
        found.keys[each.sse, each.key] += 1
        found.asked += each.asked
        if why := _why(each, expected):
            found.wrongs += 1
            if len(found.wrong) < SHOWN:
                found.wrong.append({**_plain(each), "why": why})
    return found


def _plain(found: Found) -> dict[str, str]:
    return {part: str(value) for part, value in asdict(found).items() if part != "asked"}


def _why(found: Found, expected: Sequence[str]) -> str:
    """What is wrong with it; empty when nothing is."""
    if not found.sse:
        return "not encrypted"
    if found.sse == CUSTOMER:
        return "encrypted with a key that only a client has"
    if not found.key:
        return "the default key of the time it was written: which that was, is not known"
    return "" if found.key in expected else f"encrypted with {found.key}"


def _row(rule: rules.Rule, expected: Sequence[str], found: Tally) -> dict[str, Any]:
    keys = [{"sse": sse, "key": key, "objects": count} for (sse, key), count in found.keys.most_common()]
    return {
        "bucket": rule.bucket,
        "rule": rule.mode,
        "expected": list(expected),
        "objects": found.objects,
        "keys": keys,
        "wrong": found.wrongs,
        "exceptions": found.wrong,
        "asked": found.asked,
    }


def _problem(name: str, row: dict[str, Any]) -> Problem:
    bucket, expected = row["bucket"], ", ".join(row["expected"]) or "no key"
    others = any(k["sse"] == rules.KMS and k["key"] not in row["expected"] for k in row["keys"])
    hint = f"kesdeploy bucket rewrap {bucket} -n {name}" if others else anew(bucket, row["expected"])
    what = f"{row['wrong']} of {counted(row['objects'])} not under {expected}"
    return Problem("bucket", f"{bucket}: {what}", hint)


def anew(bucket: str, keys: Sequence[str]) -> str:
    """How what no job can give another key is written anew."""
    key = keys[0] if keys else "KEY"
    return f"kesdeploy mc cp --enc-kms this/{bucket}={key} this/{bucket}/NAME this/{bucket}/NAME writes one anew"


def counted(number: int) -> str:
    return f"{number} object{'' if number == 1 else 's'}"
