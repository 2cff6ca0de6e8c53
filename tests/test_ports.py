"""Who holds a port, on real sockets."""

import os
import socket
import subprocess
import sys

from kesdeploy import ports


def test_a_port_is_free_until_somebody_listens():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        server.listen()
        assert not ports.is_free("127.0.0.1", port)
        assert not ports.is_free("0.0.0.0", port)
        assert ports.is_free("127.0.0.2", port)
        assert str(os.getpid()) in (ports.holder(port) or "")
    assert ports.is_free("127.0.0.1", port)
    assert ports.holder(port) is None


def test_a_port_that_was_used_a_moment_ago_is_free():
    """Closed connections linger (TIME_WAIT); they hold nobody up."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    assert ports.is_free("127.0.0.1", port)


def test_ipv6():
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("::1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not ports.is_free("::1", port)
        assert str(os.getpid()) in (ports.holder(port) or "")


def test_an_address_that_is_not_ours_is_not_taken():
    assert ports.is_free("203.0.113.1", 9000)


def test_another_process_is_named():
    code = (
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
        "print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stdin
        port = int(child.stdout.readline())
        said = ports.holder(port) or ""
        child.stdin.write("\n")
        child.stdin.close()
    assert str(child.pid) in said
    assert "python" in said


def test_a_container_is_named_by_what_watches_it(tmp_path, monkeypatch):
    proc = tmp_path / "proc" / "7"
    proc.mkdir(parents=True)
    (proc / "comm").write_text("conmon\n")
    (proc / "cmdline").write_text("/usr/bin/conmon\0-c\0abc\0-n\0web-1\0")
    monkeypatch.setattr(ports, "Path", lambda path: tmp_path / path.lstrip("/"))
    assert ports._describe("7") == "container web-1 (process 7)"


def test_a_listener_on_every_address_is_in_the_way_on_each():
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not any(ports.is_free(ip, port) for ip in ("127.0.0.1", "127.0.0.2", "0.0.0.0"))
        assert str(os.getpid()) in (ports.holder(port) or "")


def test_who_only_talks_through_a_port_does_not_hold_it():
    """An outgoing connection has a port of its own, which is nobody's door."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()) as client:
            assert ports.holder(client.getsockname()[1]) is None


def test_processes_that_nobody_may_look_into_are_passed_over(tmp_path, monkeypatch):
    (tmp_path / "proc" / "net").mkdir(parents=True)
    line = "   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 x"
    (tmp_path / "proc" / "net" / "tcp").write_text(f"  sl  local_address\n{line}\n")
    monkeypatch.setattr(ports, "Path", lambda path: tmp_path / str(path).lstrip("/"))
    monkeypatch.setattr(ports, "_processes", lambda: ["1", "999999"])
    assert ports._listening(9000) == {"4711"}
    assert ports._listening(9001) == set()
    assert ports.holder(9000) is None


def test_which_addresses_are_here():
    assert ports.is_here("127.0.0.1")
    assert ports.is_here("0.0.0.0")
    assert not ports.is_here("203.0.113.9")


def test_the_lowest_port_is_what_the_kernel_says(tmp_path, monkeypatch):
    said = tmp_path / "said"
    monkeypatch.setattr(ports, "_LOWEST", said)
    assert ports.lowest() == 1024
    said.write_text("80\n")
    assert ports.lowest() == 80
