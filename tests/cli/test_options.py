from __future__ import annotations

import pytest
from commands import run_here
from typer.main import get_command

from kesdeploy import deploy
from kesdeploy.cli import app
from kesdeploy.cli import flags as f
from kesdeploy.cli import options as o
from kesdeploy.cli.flags import Flags
from kesdeploy.errors import UsageError
from kesdeploy.result import Result


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("120s", 120), ("2m", 120), ("1h", 3600), ("500ms", 0.5), ("1.5s", 1.5), (" 3s ", 3)],
)
def test_durations(text, seconds):
    assert o.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1d", "1 s", "s", "1e3", "∞", "1s2"])
def test_what_is_no_duration(text):
    with pytest.raises(UsageError) as raised:
        o.seconds(text)
    assert raised.value.hint == "--timeout 120s"


def test_what_was_not_given_is_not_there():
    assert Flags().overrides() == {}


def test_flags_are_paths_of_the_spec():
    found = Flags(kms="fs", engine="podman", images="sandbox", pull="never", bind="10.1.2.3", key_name="k").overrides()
    assert found == {
        "keystore.fs": {},
        "engine": "podman",
        "images.source": "sandbox",
        "images.pull": "never",
        "network.bind": "10.1.2.3",
        "key_name": "k",
    }


def test_an_offset_moves_all_ports_and_a_port_stands_over_it():
    assert Flags(port_offset=0).overrides()["network.s3_port"] == 9000
    assert "network.s3_port" not in Flags().overrides()
    found = Flags(s3_port=1234, port_offset=100).overrides()
    assert found == {
        "network.s3_port": 1234,
        "network.console_port": 9101,
        "network.kes_port": 7473,
        "network.vault_port": 8300,
    }


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x"])
@pytest.mark.parametrize("flag", ["--s3-port", "--console-port", "--kes-port", "--vault-port"])
def test_a_port_that_is_none_is_refused(tmp_path, flag, port):
    refused = run_here("plan", "--kms", "fs", flag, port, home=tmp_path)
    assert refused.returncode == 2
    key = f"network.{flag.strip('-').replace('-', '_')}"
    assert (f"Invalid value for '{flag}'" if port == "x" else key) in refused.stderr


def test_a_name_by_set_is_the_deployments_name():
    assert Flags(set_=["name=photos"]).called == "photos"
    assert Flags(name="photos", set_=["name=photos"]).called == "photos"
    assert Flags(name="photos").called == "photos"
    with pytest.raises(UsageError, match="which of the two"):
        _ = Flags(name="photos", set_=["name=other"]).called


def test_the_base_ports_are_the_defaults_of_the_spec():
    from kesdeploy.spec import Network

    assert {name: value for name, value in Network() if name.endswith("_port")} == f.BASE_PORTS


def test_buckets_and_an_external_vault():
    found = Flags(kms="vault", vault_address="https://v", bucket=["a", "b"]).overrides()
    assert found["minio.buckets+"] == [{"name": "a"}, {"name": "b"}]
    assert list(found) == ["keystore.vault", "keystore.vault.address", "minio.buckets+"]


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("kes.cache.any=1m", "kes.cache.any", "1m"),
        ("minio.drives=4", "minio.drives", 4),
        ("minio.https=true", "minio.https", True),
        ("minio.buckets=[{name: a}]", "minio.buckets", [{"name": "a"}]),
        ("key_name=", "key_name", ""),
        ("a=b=c", "a", "b=c"),
        ("a=[", "a", "["),
        ("a=env:NAME", "a", "env:NAME"),
        ("a=@~/file", "a", "@~/file"),
    ],
)
def test_set(text, path, value):
    assert f.assignments([text]) == {path: value}


@pytest.mark.parametrize("text", ["", "=", "=1", "path"])
def test_set_needs_both(text):
    with pytest.raises(UsageError, match="PATH=VALUE"):
        f.assignments([text])


def test_set_stands_over_a_flag():
    assert Flags(key_name="a", set_=["key_name=b"]).overrides() == {"key_name": "b"}


def test_a_wrong_set_does_not_repeat_a_secret():
    with pytest.raises(UsageError) as raised:
        f.assignments(["=correct-horse"])
    assert "correct-horse" not in f"{raised.value} {raised.value.because} {raised.value.hint}"


def test_completion_knows_deployments_and_keystores(kesdeploy_home):
    from kesdeploy.home import Home
    from kesdeploy.keystores import KEYSTORES

    Home.of("photos").prepare()
    assert o._deployments() == ["photos"]
    assert o._kinds() == list(KEYSTORES)


@pytest.mark.parametrize("command", ["plan", "render"])
def test_what_up_would_do_is_asked_with_the_flags_of_up(command):
    options = {name: {o.name for o in get_command(app).commands[name].params} for name in ("up", command)}
    own = {"timeout", "yes", "no_input", "dry_run", "acknowledge"}
    assert options["up"] - own <= options[command]
    assert {"port_offset", "bucket", "engine", "set_"} <= options[command]


def test_plan_and_render_do_with_their_flags_what_up_does(tmp_path, monkeypatch):
    """As far as one sees without an engine: the wish that deploy is given."""
    wishes = []
    for name in ("up", "plan", "render"):
        monkeypatch.setattr(deploy, name, lambda wish, *_, **__: wishes.append(wish) or Result(wish.command, {}))
    flags = ["--kms", "fs", "--port-offset", "100", "--bucket", "photos", "--set", "minio.drives=2", "-n", "x"]
    for name in ("up", "plan", "render"):
        run_here(name, *flags, home=tmp_path)
    up, plan, render = wishes
    assert up.overrides["network.s3_port"] == 9100
    assert up.overrides["minio.buckets+"] == [{"name": "photos"}]
    assert up.overrides == plan.overrides == render.overrides


@pytest.mark.parametrize("command", [["destroy", "--yes"], ["status"], ["up", "--kms", "fs"], ["key", "list"]])
def test_an_empty_name_is_never_the_only_deployment(command, tmp_path):
    """A script's `-n "$NAME"` where NAME is not set."""
    refused = run_here(*command, "-n", "", home=tmp_path)
    assert refused.returncode == 2
    assert "it is empty" in refused.stderr
    assert not list(tmp_path.iterdir())
