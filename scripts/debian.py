"""Programs of a newer Debian than this machine's: unpacked into build/debian, not installed, by an apt with sources and lists of its own, from the
mirror that this machine's have. Each came with all libraries of its own, the C library and its loader among them."""

import functools
import os
import re
import shutil

import peers
from harness import BUILD, Missing, run

MIRROR = "Debian's mirror"
# What builds nghttp2's programs with HTTP/3, which Debian's own are without.
BUILD_TOOLS = ("base-files", "dash", "coreutils", "sed", "grep", "mawk", "findutils", "g++", "make", "cmake", "pkgconf", "libssl-dev", "libev-dev",
               "libc-ares-dev", "zlib1g-dev", "libjemalloc-dev", "libngtcp2-dev", "libngtcp2-crypto-ossl-dev", "libnghttp3-dev")


def mirror_of_this_machine(what):
    uris = run("apt-get", "update", "--print-uris")
    mirror = re.search(r"^'(?!cdrom:)(\S+)/dists/(?:bookworm|trixie|stable|oldstable|oldoldstable)/InRelease'", uris, re.MULTILINE)
    if not mirror:
        raise Missing(f"the apt sources of this machine name no mirror of Debian 12 or 13, on which {what} is looked for")
    return mirror[1]


def unpacked(suite, *packages, source=None):
    """The root into which these packages are unpacked, with all that they depend on, and below its /source the archives of a source package; in
    build/debian under the name of the last package."""
    folder = BUILD / "debian" / suite / packages[-1]
    root, marker = folder / "root", folder / "unpacked"
    if marker.exists():
        return root
    peers.ask(MIRROR)
    what = f"{packages[-1]} of Debian's {suite}"
    mirror = mirror_of_this_machine(what)
    shutil.rmtree(folder, ignore_errors=True)
    for path in ("lists/partial", "cache/archives/partial", "nothing", "root/source" if source else "root"):
        (folder / path).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb {mirror} {suite} main\n" + (f"deb-src {mirror} {suite} main\n" if source else ""))
    settings = {"Dir::State": folder, "Dir::State::status": folder / "status", "Dir::Cache": folder / "cache",
                "Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": folder / "nothing",
                "Dir::Etc::preferences": folder / "none", "Dir::Etc::preferencesparts": folder / "nothing",
                "APT::Sandbox::User": "root", "APT::Install-Recommends": "false", "Acquire::Languages": "none",
                # Of a suite before its release: a mirror need not follow it every week.
                "Acquire::Check-Valid-Until": "false"}
    (folder / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    apt = {"env": {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}}
    peers.fetch(MIRROR, what, "apt-get", "-q", "--error-on=any", "update", **apt)
    peers.fetch(MIRROR, what, "apt-get", "-q", "-y", "--download-only", "install", *packages, **apt)
    if source:
        peers.fetch(MIRROR, f"the source of {source}", "apt-get", "-q", "--download-only", "--tar-only", "source", source, cwd=root / "source", **apt)
    for archive in sorted((folder / "cache" / "archives").glob("*.deb")):
        run("dpkg-deb", "-x", archive, root)
    for leftover in ("cache", "lists"):
        shutil.rmtree(folder / leftover)
    marker.touch()
    return root


def command(root, program):
    """What starts a program below such a root, by the loader and with the libraries in it."""
    (loader,) = root.glob("usr/lib/*/ld-linux*.so.*")
    return [loader, "--library-path", loader.parent, root / program]


def program(suite, package, path):
    return command(unpacked(suite, package), path)


@functools.cache
def curl_with_http3():
    """The command of Debian's curl with HTTP/3: Debian 12's has none."""
    own = [peers.tool("curl")]
    return own if re.search(r"^Features:.* HTTP3\b", run(*own, "--version"), re.MULTILINE) else program("trixie", "curl", "usr/bin/curl")


@functools.cache
def nghttp2_with_http3(suite, name):
    """The command of nghttpx or h2load, built from Debian's source in a changed root with Debian's compiler and libraries; takes some minutes, once."""
    root = unpacked(suite, *BUILD_TOOLS, source="nghttp2")
    built = root / "opt" / "nghttp2"
    if not (built / "bin" / "h2load").exists():
        if os.geteuid() != 0:
            raise Missing(f"{name} with HTTP/3 is built in a changed root, which takes root")
        (archive,) = (root / "source").glob("nghttp2_*.orig.tar.*z*")
        work = root / "source" / "nghttp2"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        run("tar", "-xf", archive, "-C", work, "--strip-components=1")
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", os.cpu_count())
        if not (root / "dev" / "null").exists():
            run("mknod", "-m", "666", root / "dev" / "null", "c", "1", "3")
        for step in ("cmake -S /source/nghttp2 -B /source/build -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++"
                     " -DCMAKE_INSTALL_PREFIX=/opt/nghttp2 -DENABLE_HTTP3=ON -DENABLE_APP=ON -DENABLE_DOC=OFF -DBUILD_STATIC_LIBS=ON"
                     " -DBUILD_SHARED_LIBS=OFF -DBUILD_TESTING=OFF",
                     "cmake --build /source/build --target nghttpx h2load", "mkdir -p /opt/nghttp2/bin",
                     "cp /source/build/src/nghttpx /source/build/src/h2load /opt/nghttp2/bin/"):
            run("chroot", root, "/usr/bin/env", "-i", "PATH=/usr/bin:/usr/sbin", f"CMAKE_BUILD_PARALLEL_LEVEL={jobs}", *step.split(),
                timeout=peers.TIME_TO_COMPILE)
        shutil.rmtree(root / "source" / "build")
    return command(root, f"opt/nghttp2/bin/{name}")
