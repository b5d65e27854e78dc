"""What a user's tests do with scripts/examples/azpec_emulator.py; run by tests/emulator/examples_spec.lua."""

import time

from azpec_emulator import azpec_emulator, azpec_emulator_process  # noqa: F401
import pytest


def test_a_request_arrives_and_the_clock_moves(azpec_emulator):
    connection = azpec_emulator.arrive(description="ticket 4711")
    azpec_emulator.advance(3600)
    found = azpec_emulator.state()["accounts"][0]["connections"][-1]
    assert connection.endswith(found["name"])
    assert found["description"] == "ticket 4711"
    assert found["age"] >= 3600


def test_nothing_of_the_test_before_is_left(azpec_emulator):
    assert len(azpec_emulator.state()["accounts"][0]["connections"]) == 1
    assert azpec_emulator.requests() == []
    assert azpec_emulator.control("POST", "clock", {"advance": 0})["now"] < time.time() + 1000


def test_a_state_can_be_given_back(azpec_emulator):
    azpec_emulator.state(azpec_emulator.state())
    with pytest.raises(RuntimeError, match="unknown field 'nonsense'"):
        azpec_emulator.state({"nonsense": 1})
