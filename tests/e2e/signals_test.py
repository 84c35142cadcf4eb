"""What signals mean to `sallyport gateway`, with a terminal and without: SIGHUP is sent by operators and by closed terminals."""

import contextlib
import os
import pty
import signal
import subprocess
import unittest
from pathlib import Path

from harness import PATIENCE, SALLYPORT, Lab, wait_until


class Terminal(unittest.TestCase):
    """A gateway in a session of its own, whose controlling terminal is a pty of ours."""

    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.certificate, self.key = self.lab.certificate()

    def start(self, *wrapper):
        """Its words go to a file, so that they can be read when the terminal is closed. `wrapper` may be a shell, which is then what leads
        the session."""
        self.ours, theirs = pty.openpty()
        self.addCleanup(self.close)
        ready, self.log = self.lab.folder / "ready", self.lab.folder / "log"
        command = ["setsid", "--ctty", *wrapper, SALLYPORT, "gateway", "--listen", "127.0.0.1:0", "--cert", self.certificate, "--key", self.key,
                   "--files", self.lab.folder, "--ready-file", ready]
        with open(self.log, "wb") as log:
            leader = subprocess.Popen([str(word) for word in command], stdin=theirs, stdout=log, stderr=log)
        os.close(theirs)
        self.addCleanup(leader.wait)
        wait_until(lambda: ready.exists() and ready.read_text(), "it was ready")
        children = Path(f"/proc/{leader.pid}/task/{leader.pid}/children").read_text().split()
        self.gateway = int(children[0]) if children else leader.pid
        self.addCleanup(self.kill)
        return leader

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.gateway, signal.SIGKILL)

    def close(self):
        if self.ours is not None:
            os.close(self.ours)
        self.ours = None

    def wait_for_words(self, words):
        wait_until(lambda: words in self.log.read_text(), f"it said '{words}'")

    def test_its_end_is_the_gateways(self):
        leader = self.start()
        self.close()
        self.assertEqual(leader.wait(PATIENCE), 0)
        self.wait_for_words("SIGHUP of a closed terminal: graceful shutdown")
        self.wait_for_words("ended by SIGHUP of a closed terminal: drained")
        self.assertNotIn("read again", self.log.read_text())

    def test_its_end_is_that_of_a_gateway_below_a_shell(self):
        leader = self.start("sh", "-c", '"$@" & wait', "sh")
        self.close()
        self.wait_for_words("ended by SIGHUP of a closed terminal: drained")
        self.assertEqual(leader.wait(PATIENCE), -signal.SIGHUP)

    def test_a_shell_that_is_killed_takes_it_along(self):
        leader = self.start("sh", "-c", '"$@" & wait', "sh")
        leader.kill()
        self.wait_for_words("ended by SIGHUP of a closed terminal: drained")

    def test_while_it_is_there_sighup_reloads(self):
        self.start()
        for times in (1, 2):
            os.kill(self.gateway, signal.SIGHUP)
            wait_until(lambda: self.log.read_text().count("SIGHUP: the certificate files were read again; none of them changed") == times, "it reloaded")
        os.kill(self.gateway, signal.SIGTERM)
        self.wait_for_words("ended by SIGTERM: drained")

    def test_nohup_outlives_it(self):
        self.start("nohup")
        self.close()
        self.wait_for_words("SIGHUP: the certificate files were read again")
        os.kill(self.gateway, signal.SIGHUP)
        wait_until(lambda: self.log.read_text().count("were read again") == 2, "it reloaded")
        os.kill(self.gateway, signal.SIGTERM)
        self.wait_for_words("ended by SIGTERM: drained")


class Others(unittest.TestCase):
    def test_user_signals_end_nothing(self):
        with Lab() as lab:
            gateway = lab.gateway("--files", lab.folder)
            for number, words in ((signal.SIGUSR1, "SIGUSR1: there is no --access-log to reopen"), (signal.SIGUSR2, "SIGUSR2 is ignored")):
                gateway.child.send_signal(number)
                wait_until(lambda: words in gateway.log_path.read_text(), f"it said '{words}'", process=gateway)
            self.assertEqual(gateway.stop(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
