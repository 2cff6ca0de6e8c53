"""Where an AWS region is: its partition, which begins every ARN, and its addresses. Pure.

Source: `partitions.json` and `endpoints.json` of botocore.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

REGION: Final = r"[a-z]{2,4}(?:-[a-z]+){1,2}-[1-9][0-9]?"


@dataclass(frozen=True)
class Partition:
    """A part of AWS with accounts of its own. prefix: what the names of its regions begin with."""

    prefix: str
    name: str
    domain: str


_COMMON: Final = Partition("", "aws", "amazonaws.com")
_OTHERS: Final = (
    Partition("cn-", "aws-cn", "amazonaws.com.cn"),
    Partition("us-gov-", "aws-us-gov", "amazonaws.com"),
    Partition("eusc-", "aws-eusc", "amazonaws.eu"),
    Partition("us-iso-", "aws-iso", "c2s.ic.gov"),
    Partition("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    Partition("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    Partition("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
)
# Dual-stack addresses have a domain of their own.
_DOMAINS: Final = tuple({f".{partition.domain}" for partition in (_COMMON, *_OTHERS)} | {".api.aws"})


def partition(region: str) -> Partition:
    return next((found for found in _OTHERS if region.startswith(found.prefix)), _COMMON)


def endpoint(region: str) -> str:
    """The host of Secrets Manager in this region."""
    return f"secretsmanager.{region}.{partition(region).domain}"


def of_aws(host: str) -> bool:
    """Whether a host (with or without its port) is AWS's own: others may have any name."""
    return host.partition(":")[0].lower().endswith(_DOMAINS)


def region_of(host: str) -> str:
    """The region in the name of one of AWS's own hosts, or an empty string."""
    labels = host.partition(":")[0].lower().split(".")
    return next((label for label in labels if re.fullmatch(REGION, label)), "")
