"""The studio opened to a network: the address that it prints can be opened from another machine, over TLS."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from organza.studio.server import Address, in_brackets, own_numbers

PEM = Path("certificate")


def test_an_address_for_all_interfaces_is_printed_as_one_that_can_be_opened():
    everywhere, certified = Address("0.0.0.0"), Address("0.0.0.0", certificate=PEM)
    for address in (everywhere, certified):
        assert not {"0.0.0.0", "[::]"} & set(address.names)
        assert "localhost" in address.names
    numbers = [in_brackets(number) for number in own_numbers()]
    assert everywhere.names[: len(numbers)] == numbers
    assert not re.fullmatch(r"[\d.]+", certified.names[0])


def test_one_interface_is_called_by_its_number():
    assert Address("192.0.2.7").names[0] == "192.0.2.7"
    assert Address("2001:db8::7").names[0] == "[2001:db8::7]"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_over_tls_it_answers_by_the_printed_address_and_by_its_numbers(tmp_path: Path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=studio"],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "runs").mkdir()
    log = tmp_path / "log.txt"
    with log.open("wb") as file:
        studio = subprocess.Popen(
            [sys.executable, "-m", "organza", "studio", str(tmp_path / "runs"), "--host", "0.0.0.0", "--port", "0", "--no-browser",
             "--certificate", str(certificate), "--key", str(key)],
            stdout=file, stderr=file, env=os.environ | {"ORGANZA_STUDIO_TOKEN": "secret"},
        )  # fmt: skip
    try:
        until = time.monotonic() + 120
        while not (printed := re.search(r"https://(\S+):(\d+)/\?token=secret", log.read_text())):
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        port = int(printed[2])
        names = [printed[1], "localhost", *map(in_brackets, own_numbers())]
        assert [status(port, name, until) for name in names] == [303] * len(names)
        assert status(port, "0.0.0.0", until) == status(port, "evil.test", until) == 403
    finally:
        studio.terminate()
        studio.wait(30)


def status(port: int, name: str, until: float) -> int:
    """Return the answer's status to the first request of a browser that knows the studio by this name."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    while True:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=unverified)
        try:
            connection.request("GET", "/?token=secret", headers={"Host": f"{name}:{port}"})
            return connection.getresponse().status
        except ConnectionRefusedError:  # it has printed the address, and does not listen yet
            assert time.monotonic() < until
            time.sleep(0.1)
        finally:
            connection.close()
