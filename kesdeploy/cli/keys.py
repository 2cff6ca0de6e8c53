"""key create, list, info, import, encrypt, decrypt, dek, delete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kesdeploy.cli import completing, key_views
from kesdeploy.cli import options as o
from kesdeploy.cli.running import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from kesdeploy.console import Console
    from kesdeploy.opening import Wish
    from kesdeploy.result import Result

LONGEST_KEY = 1000

Key = Annotated[str, typer.Argument(help="The key's name.", autocompletion=completing.keys, show_default=False)]
Context = Annotated[
    str, typer.Option("--context", help="What the ciphertext is bound to: a text, or @FILE.", show_default=False)
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Write the bytes to this file (0600), show nothing.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    family = typer.Typer(help="The keys in KES: make, look, use, delete.", no_args_is_help=True)
    words: dict[str, Callable[..., None]] = {"list": list_, "info": info, "create": create, "import": import_}
    words |= {"encrypt": encrypt, "decrypt": decrypt, "dek": dek, "delete": delete}
    for word, command in words.items():
        family.command(word)(command)
    app.add_typer(family, name="key")


def _wish(command: str, name: str, timeout: str = "120s") -> Wish:
    from kesdeploy.opening import Wish

    return Wish(f"key {command}", name, timeout=o.seconds(timeout))


def create(
    keys: Annotated[list[str], typer.Argument(help="Names for new keys.", show_default=False)],
    name: o.Name = "",
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Make keys in KES. One that is there stays as it is; one that was lost and is needed is not made anew.

    Example: kesdeploy key create invoices
    """

    def work(console: Console) -> Result:
        from kesdeploy.keyring import creating

        return creating.create(_wish("create", name, timeout), console, keys)

    run("key create", work, key_views.created, json=json, verbose=verbose)


def list_(
    prefix: Annotated[str, typer.Argument(help="Only names that begin so.", show_default=False)] = "",
    long: Annotated[bool, typer.Option("--long", "-l", help="Who made each key, and when.")] = False,
    name: o.Name = "",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """All keys, however many, and the buckets that use them.

    Examples: kesdeploy key list
              kesdeploy key list invoices- --long
    """

    def work(console: Console) -> Result:
        from kesdeploy.keyring import looking

        return looking.listed(_wish("list", name), console, prefix=prefix, long=long)

    run("key list", work, key_views.listed(long=long), json=json, verbose=verbose)


def info(key: Key, name: o.Name = "", json: o.Json = False, verbose: o.Verbose = False) -> None:
    """One key: who made it, whether MinIO can use it, and which buckets and objects need it.

    Example: kesdeploy key info minio-backend-default-key
    """

    def work(console: Console) -> Result:
        from kesdeploy.keyring import looking

        return looking.info(_wish("info", name), console, key)

    run("key info", work, key_views.info, json=json, verbose=verbose)


def import_(
    key: Key,
    source: Annotated[str, typer.Argument(help="Its 32 bytes, raw or in base64: @FILE, env:NAME, or - for stdin.")],
    cipher: Annotated[str, typer.Option("--cipher", help="AES256, or ChaCha20.")] = "AES256",
    name: o.Name = "",
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Bring a key of your own, or one that was lost: then it has to be that very one.

    Examples: kesdeploy key import invoices @invoices.key
              openssl rand -base64 32 | kesdeploy key import invoices -
    """

    def work(console: Console) -> Result:
        from kesdeploy.cli import piped
        from kesdeploy.keyring import creating

        given = piped.payload(source, "key", most=LONGEST_KEY)
        return creating.bring(_wish("import", name, timeout), console, key, given, cipher)

    run("key import", work, key_views.brought, json=json, verbose=verbose)


def encrypt(
    key: Key,
    source: Annotated[str, typer.Argument(help="What to encrypt: @FILE, env:NAME, or - for stdin.")] = "-",
    context: Context = "",
    name: o.Name = "",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Encrypt a few bytes with a key, and print the ciphertext in base64.

    Example: kesdeploy key encrypt invoices @small.txt
    """

    def work(console: Console) -> Result:
        from kesdeploy.cli import piped
        from kesdeploy.keyring import using

        plaintext = piped.payload(source, "plaintext", most=using.MOST, longer=using.INSTEAD.format(key=key))
        return using.encrypt(_wish("encrypt", name), console, key, plaintext, piped.context(context))

    run("key encrypt", work, key_views.ciphertext, json=json, verbose=verbose)


def decrypt(
    key: Key,
    source: Annotated[str, typer.Argument(help="The ciphertext: in base64, @FILE, env:NAME, or - for stdin.")] = "-",
    context: Context = "",
    out: Out = None,
    text: Annotated[bool, typer.Option("--text", help="Print it as it is, not in base64.")] = False,
    name: o.Name = "",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Decrypt what `key encrypt` or `key dek` gave, and print it in base64. Prints a secret: that is its use.

    Examples: kesdeploy key decrypt invoices @small.enc --text
              kesdeploy key decrypt invoices @small.enc --out small.txt
    """

    def work(console: Console) -> Result:
        from kesdeploy.cli import piped
        from kesdeploy.keyring import using

        plain = source == piped.STDIN or source.startswith(("@", "env:"))
        most = using.MOST_CIPHERTEXT
        ciphertext = piped.payload(source, "ciphertext", most=most) if plain else source.encode(errors="replace")
        result = using.decrypt(_wish("decrypt", name), console, key, ciphertext, piped.context(context))
        return _written(result, out, "plaintext") if out else key_views.readable(result, text=text)

    run("key decrypt", work, key_views.plaintext(text=text), json=json, verbose=verbose, reveal=True)


def dek(
    key: Key,
    context: Context = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write the plaintext to this file (0600), do not show it.", show_default=False),
    ] = None,
    name: o.Name = "",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """A new data key: 32 bytes to encrypt with, and what only this key turns back into them.

    Prints a secret: that is its use.

    Example: kesdeploy key dek invoices
    """

    def work(console: Console) -> Result:
        from kesdeploy.cli import piped
        from kesdeploy.keyring import using

        result = using.data_key(_wish("dek", name), console, key, piped.context(context))
        return _written(result, out, "plaintext") if out else result

    run("key dek", work, key_views.data_key, json=json, verbose=verbose, reveal=True)


def _written(result: Result, out: Path, part: str) -> Result:
    """The secret in a file of its own, no longer in the result."""
    import base64

    from kesdeploy.files import write_private

    data = dict(result.data)
    write_private(out, base64.b64decode(data.pop(part)))
    return replace(result, data={**data, "file": str(out)})


def delete(
    key: Key,
    yes: o.Yes = False,
    name: o.Name = "",
    timeout: o.Timeout = "120s",
    json: o.Json = False,
    verbose: o.Verbose = False,
) -> None:
    """Delete a key that no bucket and no object needs; wants its name typed, or --yes. The default key stays.

    Example: kesdeploy key delete invoices
    """

    def work(console: Console) -> Result:
        from kesdeploy.confirming import confirm_key
        from kesdeploy.keyring import deleting

        wish = _wish("delete", name, timeout)
        confirm_key(wish, key, console, yes=yes)
        return deleting.delete(wish, console, key)

    run("key delete", work, key_views.deleted, json=json, verbose=verbose)
