"""Keys as files: nothing to ask, nothing to set up, one folder."""

from __future__ import annotations

import yaml
from bao import NOW, Told

from kesdeploy import filled, topology
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS, KEYSTORES, Pick, Site, Work
from kesdeploy.spec import load

SPEC = load("name: demo\nkeystore: {fs: {}}\n", {}, FIELDS)
SITE = Site("/root", "1000:1000", {name: Pick(name, (name,)) for name in ("kes", "minio")})
FS = KEYSTORES["fs"]


def test_kes_alone_writes_its_keys():
    mounts = {r.name: r.body.mounts for r in topology.desired(SPEC, SITE) if r.kind == "container"}
    writable = {name: [m.source for m in found if not m.read_only] for name, found in mounts.items()}
    assert writable == {"kes-server": ["/root/kes"], "minio-server": ["/root/minio"]}


def test_kes_reads_what_is_mounted():
    resources = {r.address: r.body for r in topology.desired(SPEC, SITE)}
    path = yaml.safe_load(filled.outline(resources["file/kes-config"]))["keystore"]["fs"]["path"]
    assert path in {mount.target for mount in resources["container/kes-server"].mounts}


def test_its_state_is_the_folder(tmp_path):
    work = Work(SPEC, Home("demo", tmp_path), NOW, Told(), 1)
    assert FS.state(work) == "MISSING"
    work.home.make("kes")
    assert FS.state(work) == "ok"
    assert FS.unsettled(work) is None
    assert FS.questions(SPEC.keystore) == FS.components(SPEC) == ()
