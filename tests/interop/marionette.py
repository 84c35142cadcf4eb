"""Firefox without a window, driven by Marionette, its own remote protocol: JSON in frames of a length, over TCP. What it would ask of the
Internet by itself does not leave the machine."""

import json
import socket

import harness
import peers
from harness import Failure

PREFERENCES = {
    # Whatever name it looks up by itself is this machine, where nobody answers for it; and it looks up less.
    "network.dns.forceResolve": "127.0.0.1",
    "network.dns.disableIPv6": True,
    "network.trr.mode": 5,
    "network.proxy.type": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.region.network.url": "",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.search.update": False,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "nimbus.rollouts.enabled": False,
    "security.OCSP.enabled": 0,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.unified": False,
    # It loads the pages that it is told to, and nothing beside them.
    "browser.newtabpage.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "browser.startup.page": 0,
    "browser.chrome.site_icons": False,
    "network.http.speculative-parallel-limit": 0,
    "network.prefetch-next": False,
    # Else an authority that Mozilla does not know makes it do without HTTP/3.
    "network.http.http3.disable_when_third_party_roots_found": False,
}


class Firefox:
    """A browser with a profile of its own that trusts the authority of `ca`, and with more preferences; ends with the lab, or by close()."""

    def __init__(self, lab, name, ca, preferences=None):
        profile = lab.folder / f"{name}-profile"
        profile.mkdir()
        wanted = {**PREFERENCES, "marionette.port": 0, **(preferences or {})}
        (profile / "user.js").write_text("".join(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in wanted.items()))
        database = f"sql:{profile}"
        harness.run(peers.tool("certutil"), "-N", "-d", database, "--empty-password")
        harness.run(peers.tool("certutil"), "-A", "-d", database, "-n", "authority", "-t", "C,,", "-i", ca)
        # Firefox looks for its folders in the home directory, and wants to write there.
        self.process = lab.start([peers.tool("firefox-esr"), "--headless", "--no-remote", "--marionette", "--profile", profile], name,
                                 {"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1", "MOZ_HEADLESS": "1"})
        said = profile / "MarionetteActivePort"
        harness.wait_until(lambda: said.exists() and said.read_text().strip(), "it could be driven", harness.PATIENCE / 3, self.process)
        self.socket = socket.create_connection(("127.0.0.1", int(said.read_text())))
        self.socket.settimeout(harness.PATIENCE / 3)
        self.stream = self.socket.makefile("rb")
        self.last = 0
        self._receive()  # what it says of itself
        self._ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"pageLoadStrategy": "normal"}}})
        milliseconds = harness.PATIENCE * 1000 // 4
        self._ask("WebDriver:SetTimeouts", {"pageLoad": milliseconds, "script": milliseconds})

    def _receive(self):
        length = b""
        while not length.endswith(b":"):
            byte = self.stream.read(1)
            if not byte:
                raise Failure(f"Firefox closed its control connection: {self.process.last_words()}")
            length += byte
        return json.loads(self.stream.read(int(length[:-1])))

    def _ask(self, command, parameters):
        self.last += 1
        frame = json.dumps([0, self.last, command, parameters]).encode()
        self.socket.sendall(f"{len(frame)}:".encode() + frame)
        _, number, error, result = self._receive()
        assert number == self.last
        if error:
            raise Failure(f"Firefox says to {command}: {error['error']}: {error['message']}")
        return result

    def open(self, url):
        """Returns when the page and all that it names have loaded."""
        self._ask("WebDriver:Navigate", {"url": url})

    def run(self, script, *arguments):
        """What this JavaScript, which may await, returns in the page that is open."""
        script = f"return (async () => {{ {script} }})()"
        return self._ask("WebDriver:ExecuteScript", {"script": script, "args": list(arguments)})["value"]

    def close(self):
        self.stream.close()
        self.socket.close()
        self.process.stop(30)
