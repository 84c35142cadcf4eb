"""The main job, watched: see scripts/demo."""

import argparse
import shutil
from pathlib import Path

import harness
from harness import BUILD, GIB, ROOT, Failure, Lab

QLOG = BUILD / "demo-qlog"
# What the qlog of both sides of one connection takes, as a part of what it carries.
QLOG_SHARE = 0.75
# Where there is no room for so much, qlog is written of a file this much smaller, which goes the same ways again.
QLOG_PART = 16


def show(text):
    print(text, flush=True)


def options():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Downloads a file over HTTP/3 directly and through CONNECT-UDP "
                                     "hops on this machine, verifies it, and shows what it cost.")
    parser.add_argument("--size", type=float, default=1.0, metavar="GIB", help="size of the file (default: 1)")
    parser.add_argument("--hops", default="0,1,2,4", help="numbers of hops to try (default: 0,1,2,4)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--qlog", type=Path, metavar="DIR", help="where qlog files go (default: build/demo-qlog, emptied first)")
    where.add_argument("--no-qlog", action="store_true", help="write none: they take several times the size of the file, and some of the speed")
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


def qlog_size(chosen, qlog):
    """Of how large a file qlog is written: of the one that is measured, or, where the disk has not got the room, of a smaller one."""
    size = int(chosen.size * GIB)
    files = "the file and its copy"
    harness.need_room(BUILD, size * 2, files)
    if not qlog:
        return 0
    qlog.mkdir(parents=True, exist_ok=True)
    same_disk = qlog.stat().st_dev == BUILD.stat().st_dev
    connections = sum(hops + 1 for hops in chosen.hops)

    def needed(of):
        return int(size * 2 * same_disk + of * QLOG_SHARE * connections)

    free = shutil.disk_usage(qlog).free
    if free >= needed(size):
        return size
    harness.need_room(qlog, needed(size // QLOG_PART), f"{files if same_disk else 'qlog files'} (--no-qlog writes none, --size makes a smaller file)")
    show(f"The qlog of every connection would take {needed(size) / GIB:.1f} GiB with the files, and {free / GIB:.1f} GiB are free: what is measured "
         f"writes none, and a file of {amount(size // QLOG_PART)} goes the same ways afterwards, with qlog.\n")
    return size // QLOG_PART


def main():
    chosen = options()
    size = int(chosen.size * GIB)
    BUILD.mkdir(exist_ok=True)
    qlog = None if chosen.no_qlog else (chosen.qlog or QLOG).resolve()
    if qlog == QLOG:
        shutil.rmtree(QLOG, ignore_errors=True)
    recorded = qlog_size(chosen, qlog)

    with Lab() as lab:
        demo = Demo(lab, size, max(chosen.hops), qlog if recorded == size else None)
        runs = [demo.download(count) for count in chosen.hops]
        if qlog and recorded != size:
            demo.end()
            show("")
            small = Demo(lab, recorded, max(chosen.hops), qlog)
            for count in chosen.hops:
                small.download(count)

    show("\n" + harness.table([row for row, _ in runs], ["path", "Mbit/s", "QUIC TTFB ms", "HTTP TTFB ms", "srtt ms", "get CPU-s/GiB",
                                                         "origin CPU-s/GiB", "hops CPU-s/GiB", "verified"]))
    show("TTFB: time to first byte; QUIC: from the first packet sent to the origin to the first 1-RTT packet from it.")
    show("\nPath budget: the UDP payload that each connection sends, and what fits inside it, bytes")
    show(harness.table([[row[0], " > ".join(f"{link['quic']['max_udp_payload']}" for link in links),
                         " > ".join(f"{link['path_budget']}" for link in links)] for row, links in runs],
                       ["path", "packets, nearest hop first", "room inside"]))
    if qlog:
        took = sum(f.stat().st_size for f in qlog.rglob("*.sqlog")) / GIB
        cost = "writing it is part of the CPU-seconds above" if recorded == size else f"of the {amount(recorded)}"
        show(f"\nqlog of every connection, both sides, {took:.1f} GiB ({cost}): {named(qlog)}")
        show(f"Try: build/sallyport trace summary {named(qlog)}/get-{chosen.hops[-1]}-hops/*.sqlog")
    return 0


if __name__ == "__main__":
    harness.main(main, "scripts/demo")
