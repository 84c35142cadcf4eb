"""The main job, watched: see scripts/demo."""

import argparse
import sys
from pathlib import Path

import harness
from harness import GIB, Failure, Lab


def show(text):
    print(text, flush=True)


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Downloads a file over HTTP/3 directly and through CONNECT-UDP "
                                     "hops on this machine, verifies it, and shows what it cost.")
    parser.add_argument("--size", type=float, default=1.0, metavar="GIB", help="size of the file (default: 1)")
    parser.add_argument("--hops", default="0,1,2,4", help="numbers of hops to try (default: 0,1,2,4)")
    parser.add_argument("--qlog", default="build/demo-qlog", metavar="DIR", help="where qlog files go (default: build/demo-qlog)")
    arguments = parser.parse_args()
    try:
        chain_lengths = [int(h) for h in arguments.hops.split(",")]
    except ValueError:
        parser.error("--hops wants numbers joined by commas, such as 0,1,2")
    size = int(arguments.size * GIB)
    qlog = Path(arguments.qlog).resolve()

    with Lab() as lab:
        site = lab.folder / "site"
        site.mkdir()
        show(f"Making a file of {size / GIB:g} GiB ...")
        harness.make_file(site / "file.bin", size)
        want = harness.sha256(site / "file.bin")

        origin = lab.gateway("--files", site, "--qlog", qlog / "origin", name="origin")
        hops = [lab.gateway("--masque", "udp", "--allow", "127.0.0.0/8", "--qlog", qlog / f"hop{i + 1}", name=f"hop{i + 1}")
                for i in range(max(chain_lengths))]
        show(f"Started an origin and {len(hops)} hops; each is a `sallyport gateway` process of its own.\n")

        rows, details = [], []
        for count in chain_lengths:
            used = hops[:count]
            before = [p.cpu_seconds() for p in [origin, *used]]
            target = lab.folder / "got.bin"
            via = [word for hop in used for word in ("--via", hop.url)]
            figures = lab.get_json("--http", "h3", *via, "-o", target, "--qlog", qlog / f"get-{count}-hops", f"{origin.url}/file.bin")
            if harness.sha256(target) != want:
                raise Failure(f"the file that came through {count} hops is not the one that was sent")
            spent = [p.cpu_seconds() - b for p, b in zip([origin, *used], before)]
            target.unlink()
            gib = size / GIB
            transfer, links = figures["transfers"][0], figures["links"]
            quic = links[-1]["quic"]
            rows.append([f"{count} hops" if count != 1 else "1 hop", f"{transfer['goodput_mbps']:.0f}", f"{quic['ttfb_ms']:.1f}",
                         f"{transfer['http_ttfb_ms']:.1f}", f"{quic['smoothed_rtt_ms']:.2f}",
                         f"{figures['process']['cpu_s_per_gib']:.2f}", f"{spent[0] / gib:.2f}",
                         " ".join(f"{s / gib:.2f}" for s in spent[1:]) or "-", "yes"])
            details.append((count, links))
            show(f"  {rows[-1][0]}: {rows[-1][1]} Mbit/s, sha256 matches")

        show("\n" + harness.table(rows, ["path", "Mbit/s", "QUIC TTFB ms", "HTTP TTFB ms", "srtt ms", "get CPU-s/GiB",
                                         "origin CPU-s/GiB", "hops CPU-s/GiB", "verified"]))
        show("\nPath budget: the UDP payload that each connection sends, and what fits inside it, bytes")
        budget = [[f"{count} hops" if count != 1 else "1 hop",
                   " > ".join(f"{link['quic']['max_udp_payload']}" for link in links),
                   " > ".join(f"{link['path_budget']}" for link in links)] for count, links in details]
        show(harness.table(budget, ["path", "packets, nearest hop first", "room inside"]))
        show("\nTTFB: time to first byte; QUIC: from the first packet sent to the origin to the first 1-RTT packet from it.")
        show(f"qlog of every connection, both sides: {qlog}")
        show("Try: build/sallyport trace summary " + str(qlog.relative_to(harness.ROOT) if qlog.is_relative_to(harness.ROOT) else qlog) + "/get-2-hops/*.sqlog")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    harness.main(main)
