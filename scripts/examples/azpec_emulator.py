"""A pytest fixture: an emulator of Azure for the tests of a module, for each test as it was at the start.

In conftest.py: from azpec_emulator import azpec_emulator, azpec_emulator_process

    def test_approval(azpec_emulator):
        connection = azpec_emulator.arrive(description="ticket 4711")
        my_automation(endpoint=azpec_emulator.tls_endpoint, ca_file=azpec_emulator.ca_file)
        assert azpec_emulator.requests("update")[0]["status"] == 202

AZPEC names the command, where it is not "azpec".
"""

import json
import os
import shlex
import subprocess
import urllib.error
import urllib.request

import pytest

CLIENT_SECRET = "emulator+secret/with&every%kind of=character~1"


class Emulator:
    """A running emulator; endpoint, tls_endpoint, ca_file, tenant_id, client_id, subscription_id, connections."""

    def __init__(self, *arguments):
        command = shlex.split(os.environ.get("AZPEC", "azpec"))
        self.process = subprocess.Popen(
            [*command, "emulator", "--control", "--exit-with-stdin", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.__dict__.update(json.loads(self.process.stdout.readline()))  # it listens when the line is there
        self.client_secret = CLIENT_SECRET

    def control(self, method, what, body=None):
        """One request to /_emulator/; raises RuntimeError with the emulator's own text."""
        request = urllib.request.Request(
            f"{self.endpoint}/_emulator/{what}", method=method,
            data=None if body is None else json.dumps(body).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refused:
            raise RuntimeError(json.load(refused)["error"]["message"]) from None
        return json.loads(text) if text else None

    def arrive(self, **fields):
        """One more connection appears; returns its id."""
        return self.control("POST", "connections", fields)["id"]

    def fail(self, action, **match):
        """The requests that fit fail: fail({"status": 503}, kind="update", times=2)."""
        self.control("POST", "faults", [{"match": match, "action": action}])

    def requests(self, kind=None):
        """The requests that came, oldest first."""
        return [entry for entry in self.control("GET", "log")
                if entry["kind"] == kind or kind is None and entry["kind"] != "control"]

    def advance(self, seconds):
        """Moves the emulator's clock: operations end, tokens expire."""
        self.control("POST", "clock", {"advance": seconds})

    def state(self, state=None):
        """Returns the state, or replaces it."""
        return self.control("GET", "state") if state is None else self.control("PUT", "state", state)

    def reset(self):
        """Makes all as it was at the start."""
        for what in ("faults", "options", "clock", "state", "log"):
            self.control("DELETE", what)

    def close(self):
        """Ends the emulator, which removes its file."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def azpec_emulator_process():
    """The emulator of a module."""
    emulator = Emulator()
    yield emulator
    emulator.close()


@pytest.fixture
def azpec_emulator(azpec_emulator_process):
    """The module's emulator, as it was at the start."""
    azpec_emulator_process.reset()
    return azpec_emulator_process
