"""Tunnels from one network namespace to another, as scripts/bench tun opens them: ours, and those of others."""

import itertools
import os
import re

import harness
import peers
from harness import SALLYPORT, Lab, Namespace

FAR, NEAR = "192.0.2.1", "192.0.2.2"  # on the veth between them
ORIGINS = "198.51.100"  # behind our gateways, an address for each tunnel
INNER_MTU = 1420  # of WireGuard's devices, as its tools have it
CONNECT_IP_GO_MTU = 1380  # below what quic-go finds that the path carries


class Network:
    """Two namespaces joined by veth: `near` has the clients; `far` the gateways, and what is behind them."""

    def __init__(self, lab):
        self.far = lab
        self.near = Lab(namespace=Namespace(suffix="-near"))
        self.numbers = itertools.count(1)
        harness.run("ip", "link", "add", "veth-n", "netns", self.near.namespace.name, "type", "veth", "peer", "name", "veth-f", "netns",
                    self.far.namespace.name)
        for side, device, address in ((self.near, "veth-n", NEAR), (self.far, "veth-f", FAR)):
            harness.run(*side.prefix, "ip", "address", "add", f"{address}/24", "dev", device)
            harness.run(*side.prefix, "ip", "link", "set", device, "up")

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.near.__exit__(*what)

    def set_offloads(self, on):
        """Whether the veth passes super-packets, as a network card does for those that leave it, or only what fits its MTU."""
        state = "on" if on else "off"
        for side, device in ((self.near, "veth-n"), (self.far, "veth-f")):
            harness.run(*side.prefix, peers.tool("ethtool"), "-K", device, "tx-udp-segmentation", state, "gro", state, "tso", state, "gso", state)

    def origin(self):
        """A new address behind our gateways."""
        number = next(self.numbers)
        address = f"{ORIGINS}.{number}"
        harness.run(*self.far.prefix, "ip", "address", "add", address, "dev", "lo")
        return number, address


class Tunnel:
    """Leads to `target`. `client` and `gateways`: the processes whose CPU time counts."""

    def __init__(self, target, client, gateways, devices=()):
        self.target, self.client, self.gateways, self.devices = target, client, gateways, devices

    def stop(self):
        for process in (self.client, *self.gateways):
            process.stop()


def gateway(network, number, *flags):
    """One that proxies UDP and IP, with a pool of its own."""
    process = network.far.gateway("--masque", "udp,ip", "--ip-pool", f"10.{100 + number}.0.0/20", "--open-proxy", "--allow", f"{FAR}/32", "--allow",
                                  f"{ORIGINS}.0/24", "--workers", "1", "--grace", "0", *flags, listen=f"{FAR}:0",
                                  certificate=network.far.certificate("localhost", "127.0.0.1", FAR))
    process.url = f"https://{FAR}:{process.port}"
    return process


def sallyport(network, hops, *flags, origin=None):
    """Ours through these gateways, nearest first, which may be others' too."""
    number, target = origin or network.origin()
    name = f"sp{number}"
    via = [word for hop in hops for word in ("--via", hop.url)]
    client = network.near.start([SALLYPORT, "tun", "--no-cache", "--ca", network.far.certificate()[0], "--device", name, "--route", f"{target}/32",
                                 *via, *flags], "tun")
    harness.wait_until(lambda: "routes " in client.log_path.read_text(), "the tunnel is open", process=client)
    return Tunnel(target, client, list(hops))


def can(pattern, command="tun"):
    """Whether the help of this command of ours has it: a flag, or a value of one."""
    return re.search(pattern, harness.run(SALLYPORT, command, "--help")) is not None


def wireguard(network, program, *flags):
    """A WireGuard of others that runs in user space and is set up by its socket, as wg(8) does it."""
    wg = peers.tool("wg")
    number = next(network.numbers)
    keys, processes = [], []
    for side in (network.near, network.far):
        path = side.folder / f"wg{number}.key"
        path.write_text(harness.run(wg, "genkey"))
        path.chmod(0o600)
        keys.append((path, harness.run(wg, "pubkey", input=path.read_text()).strip()))
    # Their sockets are in one folder for all namespaces, and names have 15 letters at most.
    names = [f"w{os.getpid() % 10 ** 6}-{number}{letter}" for letter in "nf"]
    sides = list(zip((network.near, network.far), names, keys, keys[::-1], (2, 1), (1, 2)))
    for side, name, (path, _), (_, public), address, peer in sides:
        process = side.start([program, *flags, name], "wireguard")
        processes.append(process)
        socket = f"/var/run/wireguard/{name}.sock"
        harness.wait_until(lambda: os.path.exists(socket), "it listened for its settings", process=process)
        harness.run(*side.prefix, wg, "set", name, "private-key", path, "peer", public, "allowed-ips", f"10.77.{number}.{peer}/32")
        harness.run(*side.prefix, "ip", "address", "add", f"10.77.{number}.{address}/24", "dev", name)
        harness.run(*side.prefix, "ip", "link", "set", name, "mtu", str(INNER_MTU), "up")
    # Both are told where the other is, since Tailscale's fork does not learn it; the far one first, to have an answer for the near one's handshake.
    for (side, name, _, (_, public), *_), (other, other_name, *_), host in zip(sides[::-1], sides, (NEAR, FAR)):
        port = harness.run(*other.prefix, wg, "show", other_name, "listen-port").strip()
        keep = ["persistent-keepalive", "25"] if side is network.near else []
        harness.run(*side.prefix, wg, "set", name, "peer", public, "endpoint", f"{host}:{port}", *keep)
    return Tunnel(f"10.77.{number}.1", processes[0], [processes[1]])


def connect_ip_go(network):
    """Both ends on connect-ip-go, from the Go program of the interop tests."""
    program = peers.go_program("quicgo")
    cert, key = network.far.certificate("localhost", "127.0.0.1", FAR)
    number = next(network.numbers)
    near, far, port = f"cig{number}n", f"cig{number}f", peers.free_port()
    own, target = f"10.78.{number}.2", f"10.78.{number}.1"
    proxy = network.far.start([program, "tun-proxy", "-listen", f"{FAR}:{port}", "-cert", cert, "-key", key, far, f"{own}/32"], "connect-ip-go-proxy")
    harness.wait_for_port(port, udp=True, prefix=network.far.prefix, process=proxy)
    client = network.near.start([program, "tun", "-via", f"https://{FAR}:{port}", "-ca", cert, near], "connect-ip-go")
    harness.wait_until(lambda: "open" in client.log_path.read_text(), "the tunnel is open", process=client)
    for side, name, address in ((network.near, near, own), (network.far, far, target)):
        harness.run(*side.prefix, "ip", "address", "add", f"{address}/24", "dev", name)
        harness.run(*side.prefix, "ip", "link", "set", name, "mtu", str(CONNECT_IP_GO_MTU), "up")
    return Tunnel(target, client, [proxy])


def all_peers(network):
    """name -> open tunnel, of those that can be had; says which cannot."""
    makers = {
        "wireguard-go": lambda: wireguard(network, peers.go_module(*peers.WIREGUARD_GO), "-f"),
        "Tailscale's fork": lambda: wireguard(network, peers.go_module(*peers.TAILSCALE_WIREGUARD_GO), "-f"),
        "gotatun": lambda: wireguard(network, peers.gotatun(), "-f", "--disable-drop-privileges", "-l",
                                     network.far.folder / "gotatun.log"),
        "connect-ip-go": lambda: connect_ip_go(network),
    }
    tunnels = {}
    for name, make in makers.items():
        try:
            tunnels[name] = make()
        except harness.Missing as why:
            print(f"  without {name}: {why}", flush=True)
    return tunnels
