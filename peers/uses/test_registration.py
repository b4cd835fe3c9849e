"""An application's test suite in Python that sends its mail to `gatepost dev`.

    GATEPOST=/usr/bin/gatepost python3 -m unittest test_registration

One server for all tests, on ports that the system chooses; each test begins with an empty inbox and ends with looking into it. Nothing but the
standard library is needed.
"""

import json
import os
import re
import smtplib
import ssl
import subprocess
import tempfile
import unittest
import urllib.request
from email import message_from_bytes, policy
from email.message import EmailMessage


class MailServer:
    """A `gatepost dev` of our own."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        loopback = [argument for lane in ("smtp", "smtps", "legacy", "http") for argument in (f"--{lane}", "127.0.0.1:0")]
        self.process = subprocess.Popen(
            [os.environ.get("GATEPOST", "gatepost"), "dev", "--dir", self.directory.name, *loopback],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        facts = {}
        for line in self.process.stdout:
            if line == "ready\n":
                break
            if fact := re.match(r"  (account|password|STARTTLS|web|API token) +(\S+)", line):
                facts[fact[1]] = fact[2]
        else:
            raise RuntimeError("gatepost dev ended before it was ready; run it by hand to see why")
        self.user, self.password = facts["account"], facts["password"]
        self.host, port = facts["STARTTLS"].rsplit(":", 1)
        self.port = int(port)
        self.api = facts["web"] + "api"
        self.token = facts["API token"]
        self.trust = ssl.create_default_context(cafile=os.path.join(self.directory.name, "ca.pem"))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.directory.cleanup()

    def inbox(self):
        """What came, newest first. A message is there as soon as the server has accepted it: no waiting."""
        with urllib.request.urlopen(f"{self.api}/messages") as answer:
            return json.load(answer)["messages"]

    def message(self, identifier):
        with urllib.request.urlopen(f"{self.api}/messages/{identifier}/raw") as answer:
            return message_from_bytes(answer.read(), policy=policy.default)

    def clear(self):
        request = urllib.request.Request(f"{self.api}/messages", method="DELETE", headers={"Authorization": f"Bearer {self.token}"})
        urllib.request.urlopen(request).close()


def welcome(server, address):
    """The application under test."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "dev@localhost", address, "Willkommen, Jürgen"
    message.set_content("Confirm: https://app.example/confirm?code=4711\n")
    with smtplib.SMTP(server.host, server.port) as smtp:
        smtp.starttls(context=server.trust)
        smtp.login(server.user, server.password)
        smtp.send_message(message)


class Registration(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = MailServer()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.server.clear()

    def test_the_new_user_gets_one_message_with_a_code(self):
        welcome(self.server, "juergen@example.com")
        [arrived] = self.server.inbox()
        self.assertEqual(arrived["rcpt_to"], ["juergen@example.com"])
        self.assertEqual(arrived["subject"], "Willkommen, Jürgen")
        text = self.server.message(arrived["id"]).get_content()
        self.assertRegex(text, r"code=\d{4}")

    def test_the_application_authenticates_inside_tls(self):
        welcome(self.server, "someone@example.com")
        [arrived] = self.server.inbox()
        self.assertEqual(arrived["auth"]["authcid"], self.server.user)
        self.assertTrue(arrived["auth"]["tls"])

    def test_a_wrong_password_sends_nothing(self):
        self.server.password, right = "wrong", self.server.password
        self.addCleanup(setattr, self.server, "password", right)
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            welcome(self.server, "someone@example.com")
        self.assertEqual(self.server.inbox(), [])


if __name__ == "__main__":
    unittest.main()
