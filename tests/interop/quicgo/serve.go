package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// serve answers with the files of o.folder until SIGTERM; the address is the first line on standard output.
func serve(o options) error {
	certificate, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return err
	}
	address, err := resolve(o.listen)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", address)
	if err != nil {
		return err
	}
	transport := &quic.Transport{Conn: socket, VerifySourceAddress: func(net.Addr) bool { return o.retry }}
	config := quicConfig(o)
	config.Allow0RTT = true
	listener, err := transport.ListenEarly(http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}}), config)
	if err != nil {
		return err
	}
	fmt.Println(socket.LocalAddr())
	server := &http3.Server{Handler: http.FileServer(http.Dir(o.folder)), EnableDatagrams: true}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	go func() { <-told; server.Close() }()
	if err := server.ServeListener(listener); err != http.ErrServerClosed && err != quic.ErrServerClosed {
		return err
	}
	// Closed connections write the end of their qlog.
	return transport.Close()
}
