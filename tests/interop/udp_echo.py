"""Sends every UDP datagram back, on each ADDRESS PORT that is given: for tests in a network namespace."""

import socket
import sys
import threading


def serve(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.bind((host, port))
        while True:
            data, peer = echo.recvfrom(65536)
            echo.sendto(data, peer)


for address, number in zip(sys.argv[1::2], sys.argv[2::2]):
    threading.Thread(target=serve, args=(address, int(number))).start()
