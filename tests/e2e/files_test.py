"""A gateway's files as they change: releases that are switched, files that are put in others' place, replicas of one site, with the
built program."""

import contextlib
import email.utils
import hashlib
import http.client
import os
import re
import shutil
import signal
import ssl
import unittest
import urllib.request

from harness import PATIENCE, Lab, run, wait_until

LARGE = 300_000
YEAR_2300 = 10_413_792_000


class Served(unittest.TestCase):
    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.__exit__)
        self.site = self.lab.folder / "site"
        self.site.mkdir()

    def gateway(self, *flags, files=None, workers=1):
        return self.lab.gateway("--files", files or self.site, "--workers", workers, *flags)

    def request(self, gateway, path, method="GET", **headers):
        """Status, headers and body."""
        context = ssl.create_default_context(cafile=self.lab.certificate()[0])
        with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", gateway.port, timeout=PATIENCE, context=context)) as connection:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def body(self, gateway, path):
        status, _, body = self.request(gateway, path)
        return body.decode() if status == 200 else status


class Folders(Served):
    def release(self, name):
        folder = self.lab.folder / name
        folder.mkdir()
        (folder / "name").write_text(name)
        return folder

    def test_a_key_in_the_folder_is_warned_of(self):
        key = self.lab.certificate()[1]
        words = f"--key {key} lies in the folder of --files, where anybody can download it as /key.pem; move it elsewhere"
        self.assertIn(words, self.gateway(files=self.lab.folder).log_path.read_text())
        self.assertNotIn("lies in the folder", self.gateway().log_path.read_text())

    def test_a_release_that_is_switched_is_seen(self):
        one, two, three = (self.release(name) for name in ("one", "two", "three"))
        current, following = self.lab.folder / "current", self.lab.folder / "following"
        current.symlink_to(one.name)
        gateway = self.gateway(files=current, workers=2)
        self.assertEqual(self.body(gateway, "/name"), "one")
        for release in (two, three):
            following.symlink_to(release.name)
            os.replace(following, current)
            wait_until(lambda release=release: self.body(gateway, "/name") == release.name, "the new release is served", process=gateway)
        self.assertEqual(gateway.log_path.read_text().count("is another folder now"), 2)

    def test_a_folder_that_is_made_again_is_seen_and_its_absence_is_told_once(self):
        (self.site / "a").write_text("first")
        gateway = self.gateway("--admin", "127.0.0.1:0")
        self.assertEqual(self.body(gateway, "/a"), "first")
        shutil.rmtree(self.site)
        wait_until(lambda: self.body(gateway, "/a") == 404, "it is gone", process=gateway)
        wait_until(lambda: "stays in use" in gateway.log_path.read_text(), "that is told", process=gateway)
        self.site.mkdir()
        (self.site / "a").write_text("second")
        gateway.child.send_signal(signal.SIGHUP)
        wait_until(lambda: self.body(gateway, "/a") == "second", "the new one is served", process=gateway)
        log = gateway.log_path.read_text()
        self.assertEqual(log.count("stays in use"), 1)
        with urllib.request.urlopen(re.search(r"http://127[0-9.:]+/metrics", log).group()) as page:
            metrics = page.read().decode()
        for result in ("used", "failed"):
            self.assertIn(f'sallyport_files_folder_changes_total{{result="{result}"}} 1\n', metrics)

    def test_a_relative_folder_is_the_same_wherever_the_link_leads(self):
        self.release("one")
        self.release("two")
        current = self.lab.folder / "current"
        current.symlink_to("one")
        gateway = self.gateway(files=os.path.relpath(current))
        self.assertEqual(self.body(gateway, "/name"), "one")
        current.unlink()
        current.symlink_to("two")
        wait_until(lambda: self.body(gateway, "/name") == "two", "the new release is served", process=gateway)

    def test_only_a_folder_without_an_index_is_listed(self):
        outside = self.lab.folder / "outside.html"
        outside.write_text("<p>")
        for name in ("none", "nothing", "outside", "fifo"):
            (self.site / name).mkdir()
            (self.site / name / "secret").write_text("")
        (self.site / "nothing" / "index.html").symlink_to("nowhere")
        (self.site / "outside" / "index.html").symlink_to(outside)
        os.mkfifo(self.site / "fifo" / "index.html")
        gateway = self.gateway()
        self.assertIn("secret", self.body(gateway, "/none/"))
        for name, status in (("nothing", 404), ("outside", 404), ("fifo", 403)):
            for method in ("GET", "HEAD"):
                self.assertEqual(self.request(gateway, f"/{name}/", method)[0], status, name)


class Changes(Served):
    def test_a_file_put_in_place_with_its_old_date_is_another_one(self):
        new = self.lab.folder / "new"
        gateway = self.gateway()
        for name, size in (("small", 5), ("large", LARGE)):
            served = self.site / name
            served.write_bytes(b"a" * size)
            new.write_bytes(b"b" * size)
            for path in (served, new):
                os.utime(path, (1_700_000_000, 1_700_000_000))
            wait_until(lambda name=name: self.request(gateway, f"/{name}")[1]["etag"], "it has a tag", process=gateway)
            _, before, _ = self.request(gateway, f"/{name}")
            self.assertEqual(self.request(gateway, f"/{name}", if_none_match=before["etag"])[0], 304)
            inode = served.stat().st_ino
            run("cp", "-a", new, served)
            self.assertEqual(served.stat().st_ino, inode)

            def is_new(name=name, size=size, before=before):
                status, now, body = self.request(gateway, f"/{name}", if_none_match=before["etag"])
                return (status, body) == (200, b"b" * size) and now["etag"] != before["etag"]

            wait_until(is_new, "the new one is served", process=gateway)
            status, _, body = self.request(gateway, f"/{name}", range="bytes=1-", if_range=before["etag"])
            self.assertEqual((status, len(body)), (200, size))

    def test_a_small_file_is_not_served_as_it_was_for_a_moment(self):
        page = self.site / "page"
        page.write_text("old")
        gateway = self.gateway()
        self.assertEqual(self.body(gateway, "/page"), "old")
        with page.open("w") as writer:
            self.assertEqual(self.body(gateway, "/page"), "")
            writer.write("new")
        self.assertEqual(self.body(gateway, "/page"), "new")

    def test_a_date_to_come_is_no_date(self):
        for name, size in (("small", 5), ("large", LARGE)):
            (self.site / name).write_bytes(b"a" * size)
            os.utime(self.site / name, (YEAR_2300, YEAR_2300))
        gateway = self.gateway()
        for name in ("small", "large"):
            _, headers, _ = self.request(gateway, f"/{name}")
            self.assertIsNone(headers["last-modified"])
            now = email.utils.formatdate(usegmt=True)
            self.assertEqual(self.request(gateway, f"/{name}", if_unmodified_since=now)[0], 412)
            self.assertEqual(self.request(gateway, f"/{name}", if_modified_since=now)[0], 200)
        self.assertIn("2300-01-01", self.body(gateway, "/"))


class Replicas(Served):
    def test_a_download_goes_on_at_another_replica(self):
        content = os.urandom(LARGE)
        other = self.lab.folder / "other"
        other.mkdir()
        for folder in (self.site, other):
            for name, body in (("small", b"hello"), ("large", content)):
                (folder / name).write_bytes(body)
                os.utime(folder / name, (1_700_000_000, 1_700_000_000))
        tags = {}
        for flags in ((), ("--etag", "size-mtime")):
            replicas = [self.gateway(*flags), self.gateway(*flags, files=other)]
            tags[flags] = [[self.request(replica, path)[1]["etag"] for replica in replicas] for path in ("/small", "/large")]
        strict, alike = tags.values()
        self.assertEqual(strict[0][0], strict[0][1])
        self.assertNotEqual(strict[1][0], strict[1][1])
        self.assertEqual(alike[0], strict[0])
        self.assertEqual(alike[1][0], alike[1][1])
        self.assertIn(hashlib.sha256(b"hello").hexdigest()[:32], alike[0][0])
        status, _, body = self.request(replicas[1], "/large", range="bytes=1000-", if_range=alike[1][0])
        self.assertEqual((status, body), (206, content[1000:]))


if __name__ == "__main__":
    unittest.main()
