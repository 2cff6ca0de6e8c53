from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from core_fixtures import World, spec_of, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kesdeploy import environment
from kesdeploy.cli import views
from kesdeploy.errors import KesdeployError, UsageError
from kesdeploy.opening import Wish
from kesdeploy.report import Silent

SHELLS = [shell for shell in ("sh", "bash", "zsh", "fish") if shutil.which(shell)]
WILD = [
    "plain",
    "",
    "two words",
    "$HOME `id` $(id) ${IFS}",
    "single ' and double \" quotes",
    "back\\slash \\n \\' \\\\",
    "#no comment; & | > < * ? ~ ! [a] {b,c}",
    "-n",
    "=x",
    "ü ß 漢 🙂",
    "'''",
    "\\",
    "trailing\\",
    "line\nend",
    "tab\tand  spaces ",
    "%s%d%%",
    "\u2018typographic\u2019 \u201aquotes\u201b",
]


def _back(shell: str, values: list[str]) -> list[str]:
    """What a shell has in its variables after it was given our lines to evaluate."""
    variables = {f"V{n}": value for n, value in enumerate(values)}
    text = views.exports(shell)({"variables": variables})
    script = f"{text}\nenv -0\n"
    clean = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    done = subprocess.run([shutil.which(shell), "-c", script], capture_output=True, env=clean, check=True)
    assert done.stderr == b""
    seen = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)
    return [seen[name] for name in variables]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_gives_back_exactly_what_went_in(shell):
    assert _back(shell, WILD) == WILD


PASSWORDS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=30)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25)
@given(values=st.lists(PASSWORDS, min_size=1, max_size=20))
def test_whatever_the_password(shell, values):
    assert _back(shell, values) == values


@pytest.mark.parametrize("shell", SHELLS)
def test_eval_of_the_output_as_the_help_says(shell):
    """`eval "$(kesdeploy env)"`: command substitution takes away line ends at the very end, and nothing else."""
    lines = views.exports(shell)({"variables": {"A": "x y", "B": "it's"}})
    clean = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LINES_": lines}
    script = 'eval "$(printf %s "$LINES_")"; printf "%s|%s" "$A" "$B"'
    done = subprocess.run([shutil.which(shell), "-c", script], capture_output=True, text=True, env=clean, check=True)
    assert done.stdout == "x y|it's"


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish", "powershell", "json"])
def test_the_lines_of_each_shell(shell, golden):
    variables = {f"V{n}": value for n, value in enumerate(WILD)}
    golden(f"environment/{shell}.txt", views.exports(shell)({"variables": variables}))


def test_json_is_json():
    variables = {"A": 'x"y', "B": "ü"}
    assert json.loads(views.exports("json")({"variables": variables})) == variables


def test_an_unknown_shell_names_those_there_are():
    with pytest.raises(UsageError) as raised:
        views.exports("csh")({"variables": {}})
    assert "fish" in raised.value.hint


# --- which variables there are


class Warned(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def _up(tmp_path, monkeypatch, **overrides) -> World:
    here = world(tmp_path, monkeypatch, spec_of(**overrides))
    here.up()
    here.home.write("kesdeploy.yaml", here.spec.text().encode())
    return here


def _exports(here: World, report: Silent | None = None, **flags) -> dict[str, str]:
    return environment.exports(Wish("env", here.spec.name), report or Silent(), **flags).data["variables"]


def test_s3_and_kes_at_once(tmp_path, monkeypatch):
    here = _up(tmp_path, monkeypatch)
    user, password = here.home.read_secret("root-user"), here.home.read_secret("root-password")
    found = _exports(here)
    assert found.pop("KES_API_KEY").startswith("kes:v1:")
    assert found == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_ACCESS_KEY_ID": user,
        "AWS_SECRET_ACCESS_KEY": password,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MC_HOST_fs": f"http://{user}:{password}@127.0.0.1:9000",
        "KES_SERVER": "https://127.0.0.1:7373",
    }


def test_https_brings_its_authority(tmp_path, monkeypatch):
    here = _up(tmp_path, monkeypatch, minio__https=True)
    found = _exports(here)
    assert found["AWS_CA_BUNDLE"] == str(here.home.ca_cert)
    assert found["MC_HOST_fs"].startswith("https://")


@pytest.mark.parametrize("part", ["user", "password"])
def test_a_colon_leaves_mc_out_and_says_so(tmp_path, monkeypatch, part):
    monkeypatch.setenv("PASSWORD", "with:a colon" if part == "password" else "without one")
    over = {"minio__root_user": "with:colon"} if part == "user" else {}
    here = _up(tmp_path, monkeypatch, minio__root_password="env:PASSWORD", **over)
    report = Warned()
    assert not any(name.startswith("MC_HOST") for name in _exports(here, report))
    assert len(report.warnings) == 1
    assert "MC_HOST" in report.warnings[0]
    assert "with:" not in report.warnings[0]


@pytest.mark.parametrize("character", ["@", "/"])
def test_what_mc_reads_in_a_password(tmp_path, monkeypatch, character):
    """mc splits at the last '@', and keeps everything else as it is (decoding nothing)."""
    monkeypatch.setenv("PASSWORD", f"pass{character}word")
    here = _up(tmp_path, monkeypatch, minio__root_password="env:PASSWORD")
    assert f":pass{character}word@127.0.0.1:9000" in _exports(here)["MC_HOST_fs"]


def test_a_name_with_dashes_is_a_variable(tmp_path, monkeypatch):
    here = _up(tmp_path, monkeypatch, name="my-own-name")
    assert "MC_HOST_my_own_name" in _exports(here)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True))
def test_every_name_is_one_that_a_shell_takes(tmp_path_factory, name):
    with pytest.MonkeyPatch.context() as patch:
        here = _up(tmp_path_factory.mktemp("x"), patch, name=name)
        assert all(variable.isidentifier() for variable in _exports(here))


def test_for_the_browser_only(tmp_path, monkeypatch):
    here = _up(tmp_path, monkeypatch)
    assert set(_exports(here, only="console")) == {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"}
    with pytest.raises(UsageError):
        _exports(here, only="consul")


def test_the_roots_are_the_systems_and_ours(tmp_path, monkeypatch):
    here = _up(tmp_path, monkeypatch)
    assert "SSL_CERT_FILE" not in _exports(here)
    bundle = here.home.path("ca/bundle.crt")
    assert _exports(here, kes=True)["SSL_CERT_FILE"] == str(bundle)
    assert bundle.read_bytes().endswith(here.home.ca_cert.read_bytes())


def test_before_the_first_up_there_is_nothing_to_export(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch)
    here.home.write("kesdeploy.yaml", here.spec.text().encode())
    with pytest.raises(KesdeployError, match="no root credentials"):
        _exports(here)


def test_half_a_deployment_is_one_clear_error(tmp_path, monkeypatch):
    here = _up(tmp_path, monkeypatch)
    here.home.secret("operator.key").unlink()
    with pytest.raises(KesdeployError):
        _exports(here)
