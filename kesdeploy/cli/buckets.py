"""bucket create, list, encrypt set, encrypt clear, encrypt show, rewrap, check."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kesdeploy.cli import bucket_views, completing
from kesdeploy.cli import options as o
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from kesdeploy.console import Console
    from kesdeploy.opening import Wish
    from kesdeploy.result import Result

Bucket = Annotated[str, typer.Argument(help="The bucket.", autocompletion=completing.buckets, show_default=False)]
Key = Annotated[
    str,
    typer.Option(
        "--key", help="Encrypt with this key (the default key).", autocompletion=completing.keys, show_default=False
    ),
]
S3 = Annotated[bool, typer.Option("--sse-s3", help="SSE-S3 instead of SSE-KMS: always with the default key.")]
Prefix = Annotated[str, typer.Option("--prefix", help="Only objects whose name begins so.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    family = typer.Typer(help="Buckets: encryption rules, keys, and a check of every object.", no_args_is_help=True)
    for word, command in (("list", list_), ("create", create), ("check", check), ("rewrap", rewrap)):
        family.command(word)(command)
    rules = typer.Typer(help="A bucket's encryption rule, for new objects.", no_args_is_help=True)
    for word, rule in (("set", set_), ("clear", clear), ("show", show)):
        rules.command(word)(rule)
    family.add_typer(rules, name="encrypt")
    app.add_typer(family, name="bucket")


def _wish(command: str, name: str, timeout: str = "120s", *, adopt: bool = False) -> Wish:
    from kesdeploy.opening import Wish

    return replace(Wish(f"bucket {command}", name, timeout=o.seconds(timeout)), adopt_key=adopt)


def create(
    bucket: Bucket,
    key: Key = "",
    sse_s3: S3 = False,
    adopt_key: o.AdoptKey = False,
    name: o.Name = "",
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Create a bucket that encrypts, and write it into the spec. A key that is missing is made.

    Examples: kesdeploy bucket create photos
              kesdeploy bucket create invoices --key invoices
    """

    def work(console: Console) -> Result:
        from kesdeploy.buckets import rules, setting

        mode = rules.S3 if sse_s3 else rules.KMS
        return setting.create(_wish("create", name, timeout, adopt=adopt_key), console, bucket, key=key, mode=mode)

    run("bucket create", work, bucket_views.created, json=json, verbose=verbose)


def list_(name: o.Name = "", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """All buckets: how new objects are encrypted, with which key, and what the spec says otherwise."""

    def work(console: Console) -> Result:
        from kesdeploy.buckets import rules

        return rules.listed(_wish("list", name), console)

    run("bucket list", work, bucket_views.listed, json=json, verbose=verbose)


def set_(
    bucket: Bucket,
    key: Key = "",
    sse_s3: S3 = False,
    adopt_key: o.AdoptKey = False,
    name: o.Name = "",
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Encrypt new objects of a bucket so, and write it into the spec. Objects in it stay as they are.

    Example: kesdeploy bucket encrypt set photos --key photos-2026
    """

    def work(console: Console) -> Result:
        from kesdeploy.buckets import rules, setting

        mode = rules.S3 if sse_s3 else rules.KMS
        return setting.encrypt(
            _wish("encrypt set", name, timeout, adopt=adopt_key), console, bucket, key=key, mode=mode
        )

    run("bucket encrypt set", work, bucket_views.ruled, json=json, verbose=verbose)


def clear(
    bucket: Bucket, name: o.Name = "", timeout: o.Timeout = "120s", json: o.Json = False, verbose: o.Verbose = False
) -> None:
    """Take a bucket's rule away, from the spec too. Auto-encryption, where it is on, then encrypts new objects.

    Example: kesdeploy bucket encrypt clear photos
    """

    def work(console: Console) -> Result:
        from kesdeploy.buckets import setting

        return setting.clear(_wish("encrypt clear", name, timeout), console, bucket)

    run("bucket encrypt clear", work, bucket_views.ruled, json=json, verbose=verbose)


def show(bucket: Bucket, name: o.Name = "", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """How new objects of a bucket are encrypted, and whether MinIO can use that key.

    Example: kesdeploy bucket encrypt show photos
    """

    def work(console: Console) -> Result:
        from kesdeploy.buckets import rules

        return rules.shown(_wish("encrypt show", name), console, bucket)

    run("bucket encrypt show", work, bucket_views.shown, json=json, verbose=verbose)


def rewrap(
    bucket: Bucket,
    key: Annotated[
        str,
        typer.Argument(
            help="The new key (that of the bucket's rule).", autocompletion=completing.keys, show_default=False
        ),
    ] = "",
    create_key: Annotated[bool, typer.Option("--create-key", help="Make the new key, if it is missing.")] = False,
    prefix: Prefix = "",
    adopt_key: o.AdoptKey = False,
    name: o.Name = "",
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Give the objects of a bucket another key, by MinIO's key-rotation job. Their data stays as it is.

    The key becomes that of the bucket's rule first. Afterwards every object is looked at.

    Examples: kesdeploy bucket rewrap photos photos-2026 --create-key
              kesdeploy bucket rewrap photos
    """

    def work(console: Console) -> Result:
        from kesdeploy.buckets import rewrapping

        wish = _wish("rewrap", name, timeout, adopt=adopt_key)
        return rewrapping.rewrap(wish, console, bucket, key=key, prefix=prefix, create_key=create_key)

    run("bucket rewrap", work, bucket_views.rewrapped, json=json, verbose=verbose)


def check(
    buckets: Annotated[
        list[str] | None, typer.Argument(help="All, when left out.", autocompletion=completing.buckets)
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            help="A key that is as it should be (that of the bucket's rule). Repeatable.",
            autocompletion=completing.keys,
            show_default=False,
        ),
    ] = None,
    prefix: Prefix = "",
    head: Annotated[bool, typer.Option("--head", help="Ask MinIO for each object, whatever its drives tell.")] = False,
    name: o.Name = "",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Whether every object, each version of it, is encrypted with an expected key. Exit 7 when one is not.

    Examples: kesdeploy bucket check
              kesdeploy bucket check photos --key photos-2026 --key photos-2025
    """

    def work(console: Console) -> Result:
        from kesdeploy.buckets import checking

        wish = _wish("check", name)
        return checking.check(wish, console, buckets or (), keys=key or (), prefix=prefix, head=head)

    run("bucket check", work, bucket_views.checked, json=json, verbose=verbose)
