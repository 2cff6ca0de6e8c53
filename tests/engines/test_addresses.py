"""Whose ports are in each other's way, by their addresses alone."""

from kesdeploy.engines import meet


def test_two_addresses_meet_when_one_is_the_other_or_stands_for_each():
    assert meet("127.0.0.1", "127.0.0.1")
    assert meet("127.0.0.1", "0.0.0.0")
    assert meet("::", "127.0.0.1")
    assert not meet("127.0.0.1", "192.0.2.2")
