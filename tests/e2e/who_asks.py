"""A server that tells whoever asks, over UDP or TCP, IPv6 or IPv4, from which address the question came; one line of standard output for each, and
for each answer that could not be sent."""

import selectors
import socket
import sys

port = int(sys.argv[1])
udp, tcp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
selector = selectors.DefaultSelector()
for each in (udp, tcp):
    each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    each.bind(("::", port))
    selector.register(each, selectors.EVENT_READ)
tcp.listen()
print("ready", flush=True)


def plain(address):
    return address[0].removeprefix("::ffff:")


while True:
    for key, _ in selector.select():
        if key.fileobj is udp:
            _, sender = udp.recvfrom(2048)
            try:
                udp.sendto(plain(sender).encode(), sender)
                print("udp", plain(sender), flush=True)
            except OSError as why:
                print("no way back to", plain(sender), why.strerror, flush=True)
        else:
            with tcp.accept()[0] as connection:
                connection.sendall(plain(connection.getpeername()).encode())
                print("tcp", plain(connection.getpeername()), flush=True)
