// A peer on quic-go for quicgo_test.py: an HTTP/3 client, directly or through a CONNECT-UDP proxy, clients that send UDP
// through such a proxy and IP packets through a CONNECT-IP proxy, and an HTTP/3 file server; for scripts/bench tun also both ends of a
// CONNECT-IP tunnel with TUN devices. Results go to standard output as one JSON object. QLOGDIR makes quic-go
// write qlog.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/qlog"
)

type options struct {
	ca, cert, key, via, output, listen, folder string
	streams, count, size                       int
	again, early, retry, version2              bool
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: quicgo get|udp|ip|serve|tun|tun-proxy [flags] [URL, target or device]"))
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.ca, "ca", "", "trust the certificates of this PEM file")
	flags.StringVar(&o.cert, "cert", "", "serve: certificate")
	flags.StringVar(&o.key, "key", "", "serve: its key")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "serve: address")
	flags.StringVar(&o.folder, "folder", ".", "serve: what is served")
	flags.BoolVar(&o.retry, "retry", false, "serve: demand a Retry from everybody")
	flags.StringVar(&o.via, "via", "", "get, udp, ip: go through this CONNECT-UDP or CONNECT-IP proxy, https://HOST:PORT")
	flags.StringVar(&o.output, "o", os.DevNull, "get: where the body of the first request goes")
	flags.IntVar(&o.streams, "n", 1, "get: requests at once over the connection")
	flags.BoolVar(&o.again, "again", false, "get: once more over a new connection, with the ticket of the first")
	flags.BoolVar(&o.version2, "v2", false, "speak QUIC version 2")
	flags.IntVar(&o.count, "count", 50, "udp, ip: datagrams")
	flags.IntVar(&o.size, "size", 1000, "udp, ip: bytes of each")
	flags.BoolVar(&o.early, "early", false, "udp: send before the proxy has answered")
	flags.Parse(os.Args[2:])

	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Second)
	defer cancel()
	var result any
	var err error
	switch os.Args[1] {
	case "get":
		result, err = get(ctx, o, flags.Arg(0))
	case "udp":
		result, err = echo(ctx, o, flags.Arg(0))
	case "ip":
		result, err = packets(ctx, o, flags.Arg(0))
	case "serve":
		err = serve(o)
	case "tun":
		err = tunClient(o, flags.Arg(0))
	case "tun-proxy":
		err = tunProxy(o, flags.Arg(0), flags.Arg(1))
	default:
		err = fmt.Errorf("there is no command %q", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
	if result != nil {
		json.NewEncoder(os.Stdout).Encode(result)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "quicgo:", err)
	os.Exit(1)
}

func clientTLS(o options) (*tls.Config, error) {
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots, NextProtos: []string{http3.NextProtoH3}, ClientSessionCache: tls.NewLRUClientSessionCache(8)}, nil
}

func quicConfig(o options) *quic.Config {
	config := &quic.Config{EnableDatagrams: true, Tracer: qlog.DefaultConnectionTracer}
	if o.version2 {
		config.Versions = []quic.Version{quic.Version2}
	}
	return config
}
