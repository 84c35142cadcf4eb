"""The main job, watched: see scripts/demo."""

import argparse
import shutil
import time
from pathlib import Path

import harness
from harness import BUILD, GIB, ROOT, Failure, Lab

QLOG = BUILD / "demo-qlog"
# What the qlog of both sides of one connection takes, as a part of what it carries.
QLOG_SHARE = 0.75
# Without --keep, qlog is written of a file of at most this size, which goes the same ways again.
QLOG_FILE = 64 << 20


def show(text):
    print(text, flush=True)


def options():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Downloads a file over HTTP/3 directly and through CONNECT-UDP "
                                     "hops on this machine, verifies it, and shows what it cost.")
    parser.add_argument("--size", type=float, default=1.0, metavar="GIB", help="size of the file (default: 1)")
    parser.add_argument("--hops", default="0,1,2,4", help="numbers of hops to try (default: 0,1,2,4)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--qlog", type=Path, metavar="DIR", help="where qlog files go (default: build/demo-qlog, emptied first)")
    where.add_argument("--no-qlog", action="store_true", help="write none")
    parser.add_argument("--keep", action="store_true", help="write the qlog of the whole file, several times its size, and keep that of earlier runs")
    parser.add_argument("--check-flags", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    try:
        chosen.hops = [int(h) for h in chosen.hops.split(",")]
    except ValueError:
        parser.error("--hops wants numbers joined by commas, such as 0,1,2")
    if not all(0 <= h <= 8 for h in chosen.hops):
        parser.error("--hops wants numbers from 0 to 8")
    if not 0 < chosen.size <= 64:
        parser.error("--size wants a number of GiB, more than 0 and at most 64")
    return chosen


def hops_word(count):
    return "1 hop" if count == 1 else f"{count} hops"


def amount(size):
    return f"{size / GIB:g} GiB" if size >= GIB else f"{size / 2**20:.3g} MiB"


def named(path):
    """As short as it can be typed from the checkout."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


class Demo:
    """A file of `size` on an origin, and as many hops as the longest way has; writes qlog into the folder `qlog` unless it is None."""

    def __init__(self, lab, size, longest, qlog):
        self.lab, self.size, self.qlog = lab, size, qlog
        site = lab.folder / "site"
        site.mkdir(exist_ok=True)
        show(f"Making a file of {amount(size)} ...")
        harness.make_file(site / "file.bin", size)
        self.want = harness.sha256(site / "file.bin")
        self.servers = [lab.gateway("--files", site, *self.qlog_into("origin"), name="origin")]
        self.servers += [lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", *self.qlog_into(f"hop{i + 1}"), name=f"hop{i + 1}")
                         for i in range(longest)]
        show(f"Started an origin and {hops_word(longest)}; each is a `sallyport gateway` process of its own.\n")

    def end(self):
        for server in self.servers:
            server.stop()

    def qlog_into(self, folder):
        return ["--qlog", self.qlog / folder] if self.qlog else []

    def download(self, count):
        """Once through the first `count` hops: its row of the table, and its links."""
        servers = self.servers[:count + 1]
        before = [p.cpu_seconds() for p in servers]
        target = self.lab.folder / "got.bin"
        via = [word for hop in servers[1:] for word in ("--via", hop.url)]
        figures = self.lab.get_json("--http", "h3", *via, "-o", target, *self.qlog_into(f"get-{count}-hops"),
                                    f"{servers[0].url}/file.bin", watch=True)
        if harness.sha256(target) != self.want:
            raise Failure(f"the file that came through {hops_word(count)} is not the one that was sent")
        target.unlink()
        origin, *hops = [(p.cpu_seconds() - b) / (self.size / GIB) for p, b in zip(servers, before)]
        transfer, links = figures["transfers"][0], figures["links"]
        quic = links[-1]["quic"]
        show(f"  {hops_word(count)}: {transfer['goodput_mbps']:.0f} Mbit/s, sha256 matches")
        return [hops_word(count), f"{transfer['goodput_mbps']:.0f}", f"{quic['ttfb_ms']:.1f}", f"{transfer['http_ttfb_ms']:.1f}",
                f"{quic['smoothed_rtt_ms']:.2f}", f"{figures['process']['cpu_s_per_gib']:.2f}", f"{origin:.2f}",
                " ".join(f"{hop:.2f}" for hop in hops) or "-", "yes"], links


def qlog_plan(chosen, size):
    """Where qlog goes, and of how large a file; says what it will take."""
    if chosen.no_qlog:
        return None, 0
    folder = (chosen.qlog or QLOG).resolve()
    if chosen.keep:
        folder /= time.strftime("%Y-%m-%d-%H%M%S")
    elif folder == QLOG:
        shutil.rmtree(QLOG, ignore_errors=True)
    recorded = size if chosen.keep else min(size, QLOG_FILE)
    needed = int(recorded * QLOG_SHARE * sum(hops + 1 for hops in chosen.hops))
    folder.mkdir(parents=True, exist_ok=True)
    same_disk = folder.stat().st_dev == BUILD.stat().st_dev
    harness.need_room(folder, needed + size * 2 * same_disk, "the qlog files" + " and the file with its copy" * same_disk)
    stays = "stays" if chosen.keep or chosen.qlog else "stays until the next run"
    show(f"qlog of some {needed / GIB:.1f} GiB goes to {named(folder)} and {stays}{'' if chosen.keep else ' (--no-qlog writes none)'}.")
    return folder, recorded


def main():
    chosen = options()
    if chosen.check_flags:
        return 0
    size = int(chosen.size * GIB)
    BUILD.mkdir(exist_ok=True)
    harness.need_room(BUILD, size * 2, "the file and its copy")
    qlog, recorded = qlog_plan(chosen, size)

    with Lab() as lab:
        demo = Demo(lab, size, max(chosen.hops), qlog if recorded == size else None)
        runs = [demo.download(count) for count in chosen.hops]
        if qlog and recorded != size:
            demo.end()
            show("\nThe same ways with qlog, which costs speed:")
            small = Demo(lab, recorded, max(chosen.hops), qlog)
            for count in chosen.hops:
                small.download(count)

    show("\n" + harness.table([row for row, _ in runs],
                              ["path", "Mbit/s", "QUIC ms", "HTTP ms", "srtt ms", "get CPU", "origin CPU", "hops' CPU", "verified"]))
    show("QUIC and HTTP: time to first byte, from the first packet to the origin to the first 1-RTT packet,")
    show("and from the request to the response. CPU: seconds a GiB, of each process.")
    show("\nPath budget: the UDP payload that each connection sends, and what fits inside it, bytes")
    show(harness.table([[row[0], " > ".join(f"{link['quic']['max_udp_payload']}" for link in links),
                         " > ".join(f"{link['path_budget']}" for link in links)] for row, links in runs],
                       ["path", "packets, nearest hop first", "room inside"]))
    if qlog:
        took = sum(f.stat().st_size for f in qlog.rglob("*.sqlog")) / GIB
        whole = " (writing it is part of the CPU above)" if recorded == size else ""
        show(f"\nqlog of every connection, both sides, {took:.1f} GiB{whole}: {named(qlog)}")
        show(f"Try: build/sallyport trace summary {named(qlog)}/get-{chosen.hops[-1]}-hops/*.sqlog")
    return 0


if __name__ == "__main__":
    harness.main(main, "scripts/demo")
