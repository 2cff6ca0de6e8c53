from __future__ import annotations

import os
import shlex
import socket
from dataclasses import replace

import pytest
from core_fixtures import World, world

from kesdeploy import clash, ports, topology
from kesdeploy.deployment import FOLDER, LABEL
from kesdeploy.engines import Container, Pod
from kesdeploy.errors import EngineError, PortTaken, UsageError
from kesdeploy.home import Home
from kesdeploy.report import Silent
from kesdeploy.spec import Network


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    monkeypatch.setattr(ports, "is_free", lambda _, port: port not in made.taken)
    return made


def _refused(here: World) -> PortTaken:
    with pytest.raises(PortTaken) as raised:
        clash.refuse_taken_ports(here.deployment, here.plan())
    return raised.value


def test_another_deployment_is_named_once_for_all_its_ports(here):
    here.taken = {9000, 9001, 7373}
    theirs = {LABEL: "photos", FOLDER: str(Home.of("photos").root)}
    here.engine.publishes = dict.fromkeys((9000, 9001), Pod("p", "p", "running", broken=False, labels=theirs))
    error = _refused(here)
    assert error.what == "ports 9000, 9001, 7373 are taken"
    assert error.because == "held: 9000, 9001 by the deployment 'photos'; 7373 by another process"
    assert error.hint == "kesdeploy up -n fs --port-offset 100"


@pytest.mark.parametrize(
    ("words", "again"),
    [
        ("up --kms fs", "up --kms fs"),
        ("up --kms fs --s3-port 9000 --kes-port=7373 --yes", "up --kms fs --yes"),
        (
            "up --port-offset 100 --set network.s3_port=1 --set=network.kes_port=2 --set minio.drives=4",
            "up --set minio.drives=4",
        ),
        ("up --set 'minio.environment={a: b c}'", "up --set 'minio.environment={a: b c}'"),
    ],
)
def test_a_new_one_is_told_the_whole_command_with_a_free_offset(here, words, again):
    """Ports that were given by themselves would stand over it."""
    here.taken = {9000, 9101}
    with pytest.raises(PortTaken) as raised:
        clash.refuse_taken_ports(here.deployment, here.plan(), shlex.split(words))
    assert raised.value.hint == f"kesdeploy {again} --port-offset 200"


def test_an_offset_that_is_taken_is_followed_by_the_next_one(here):
    """What was typed was far from the default ports for a reason."""
    here.want(**{f"network__{name}": port + 13000 for name, port in Network() if name.endswith("_port")})
    here.taken = {22000, 9000}
    assert _refused(here).hint.endswith("--port-offset 13100")
    here.taken |= {22000 + 100}
    assert _refused(here).hint.endswith("--port-offset 13200")


def test_a_deployment_of_another_folder_says_where(here):
    here.taken = {9000, 9100}
    here.engine.publishes[9000] = Pod("p", "p", "running", broken=False, labels={LABEL: "fs", FOLDER: "/else/fs"})
    error = _refused(here)
    assert error.what == "port 9000 is taken"
    assert error.because == "held: 9000 by the deployment 'fs' of /else/fs"
    assert error.hint.endswith("--port-offset 200")


def test_what_is_no_deployment_is_a_pod_or_a_container(here):
    here.engine.publishes[1] = Pod("p", "web-pod", "running", broken=False, labels={})
    here.engine.publishes[2] = Container("c", "web", "", "", "", "running", 0, "", 0, {})
    assert clash.holder(here.engine, 1) == "the pod web-pod"
    assert clash.holder(here.engine, 2) == "the container web"


def test_a_deployment_that_is_there_moves_by_its_name(here):
    here.up()
    here.home.spec.write_text(here.spec.text())
    here.engine.remove_pod(topology.pod_name("fs"), stop_timeout=3)
    here.taken = {9000}
    assert _refused(here).hint == "kesdeploy up -n fs --port-offset 100"


def test_ports_of_our_own_pod_are_not_taken_even_while_it_is_stopped(here):
    here.up()
    here.taken = {9000, 9001, 7373}
    for name in ("fs-kes-server", "fs-minio-server"):
        here.engine.dies(name)
    clash.refuse_taken_ports(here.deployment, here.plan())
    here.engine.publishes[9001] = Pod("p", "p", "running", broken=False, labels={LABEL: "photos", FOLDER: "/x"})
    assert "9001 by the deployment 'photos'" in _refused(here).because


def test_rules_without_a_listener_are_in_the_way_too(here):
    """Left by a pod whose processes were all killed: nobody listens, and whoever comes is led to the dead."""
    theirs = {LABEL: "photos", FOLDER: str(Home.of("photos").root)}
    here.engine.publishes[9000] = Pod("p", "p", "running", broken=False, labels=theirs, lost=True)
    assert _refused(here).because == "held: 9000 by the deployment 'photos'"


def test_nothing_to_change_asks_nobody(here):
    here.up()
    here.taken = {9000}
    here.engine.publishers = None
    plan = here.plan()
    assert plan.empty
    clash.refuse_taken_ports(here.deployment, plan)


def test_without_an_engine_it_is_a_process(monkeypatch):
    def refuse(_: str):
        raise EngineError("no engine")

    monkeypatch.setattr(clash, "open_engine", refuse)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert f"(process {os.getpid()})" in clash.taken("127.0.0.1", port)
    assert clash.taken("127.0.0.1", port) == ""


def test_the_offset_that_is_proposed_is_free(here):
    here.taken = {9000 + 100, 7373 + 200, 8200 + 300}
    assert clash.free_offset("127.0.0.1") == 400


@pytest.mark.parametrize(
    ("network", "what", "hint"),
    [
        ({"s3_port": 80}, "port 80: not without root", "--s3-port 8080; "),
        ({"s3_port": 443, "console_port": 80}, "ports 443, 80: ", "--s3-port 8443 --console-port 8080; "),
    ],
)
def test_a_rootless_engine_publishes_none_of_roots_ports(here, monkeypatch, network, what, hint):
    """And says so only when the rest is there: who asks must know before."""
    monkeypatch.setattr(ports, "lowest", lambda: 1024)
    here.want(**{f"network__{name}": port for name, port in network.items()})
    clash.refuse_taken_ports(here.deployment, here.plan())
    here.engine.rootless = True
    with pytest.raises(UsageError) as raised:
        clash.refuse_taken_ports(here.deployment, here.plan())
    assert raised.value.what.startswith(what)
    assert "ports below 1024" in raised.value.because
    assert raised.value.hint.startswith(hint)
    monkeypatch.setattr(ports, "lowest", lambda: 80)
    clash.refuse_taken_ports(here.deployment, here.plan())


@pytest.fixture
def stopped(here) -> Home:
    """Another deployment of the folder. It is stopped: nobody listens on its ports."""
    home = Home.of("other")
    home.prepare()
    home.spec.write_text("version: 1\nname: other\nkeystore: {fs: {}}\nnetwork: {s3_port: 9000, kes_port: 7473}\n")
    return home


def test_the_ports_of_one_that_is_stopped_are_not_proposed(here, stopped):
    """Kes_port 7473 is the default's, moved by 100."""
    assert clash.free_offset("127.0.0.1") == 200
    stopped.spec.write_text("broken: [")
    assert clash.free_offset("127.0.0.1") == 100


def test_who_takes_the_port_of_one_that_is_stopped_is_warned(here, stopped):
    said: list[str] = []

    class Listening(Silent):
        def warn(self, text: str) -> None:
            said.append(text)

    deployment = replace(here.deployment, report=Listening())
    clash.refuse_taken_ports(deployment, here.plan())
    assert len(said) == 1
    assert "'other' has port 9000, 9001 too" in said[0]
    assert "--port-offset 200" in said[0]
    here.up()
    clash.refuse_taken_ports(deployment, here.plan())
    assert len(said) == 1, "it was said when the pod was made"


def test_a_port_of_one_that_is_stopped_is_spoken_for(monkeypatch):
    monkeypatch.setattr(clash, "taken", lambda _, port: "sshd" if port == 1 else "")
    monkeypatch.setattr(clash, "claimed", lambda: {2: "photos"})
    assert clash.spoken_for("127.0.0.1", 1) == "sshd"
    assert clash.spoken_for("127.0.0.1", 2) == "the deployment 'photos', which is stopped"
    assert clash.spoken_for("127.0.0.1", 3) == ""
