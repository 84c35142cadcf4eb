package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

type figures struct {
	Status   int    `json:"status"`
	Protocol string `json:"protocol"`
	Bytes    int64  `json:"bytes"`
	Version  string `json:"version"`
	Resumed  bool   `json:"resumed"`
	ALPN     string `json:"alpn"`
}

// get downloads `url`, o.streams times at once over one connection, and again over a second, resumed one when that is
// asked for.
func get(ctx context.Context, o options, url string) ([]figures, error) {
	config, err := clientTLS(o)
	if err != nil {
		return nil, err
	}
	rounds := 1
	if o.again {
		rounds = 2
	}
	var all []figures
	for range rounds {
		one, err := getOnce(ctx, o, config, url)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func getOnce(ctx context.Context, o options, config *tls.Config, url string) (figures, error) {
	var connection *quic.Conn
	transport := &http3.Transport{TLSClientConfig: config, QUICConfig: quicConfig(o), EnableDatagrams: true}
	transport.Dial = func(ctx context.Context, address string, config *tls.Config, settings *quic.Config) (*quic.Conn, error) {
		var err error
		if o.via == "" {
			// Not DialAddrEarly: Go counts a ticket's age from a whole second, so that it may say more than the server's own
			// count. GnuTLS then refuses the 0-RTT data, and quic-go's http3 gives up on a refusal.
			connection, err = quic.DialAddr(ctx, address, config, settings)
			return connection, err
		}
		tunnel, _, err := connectUDP(ctx, o, address)
		if err != nil {
			return nil, err
		}
		// What is inside the tunnel has to fit into a DATAGRAM frame of the connection around it.
		settings = settings.Clone()
		settings.InitialPacketSize, settings.DisablePathMTUDiscovery = 1200, true
		connection, err = (&quic.Transport{Conn: tunnel}).DialEarly(ctx, tunnel.target, config, settings)
		return connection, err
	}
	defer transport.Close()

	results, errors := make([]figures, o.streams), make([]error, o.streams)
	fetch := func(i int) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			errors[i] = err
			return
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			errors[i] = err
			return
		}
		defer response.Body.Close()
		var out io.Writer = io.Discard
		if i == 0 {
			file, err := os.Create(o.output)
			if err != nil {
				errors[i] = err
				return
			}
			defer file.Close()
			out = file
		}
		bytes, err := io.Copy(out, response.Body)
		results[i], errors[i] = figures{Status: response.StatusCode, Protocol: response.Proto, Bytes: bytes}, err
	}
	// The first one dials.
	fetch(0)
	var group sync.WaitGroup
	for i := 1; i < o.streams; i++ {
		group.Add(1)
		go func() { defer group.Done(); fetch(i) }()
	}
	group.Wait()
	sum := results[0]
	for i := range results {
		if errors[i] != nil {
			return figures{}, errors[i]
		}
		if i > 0 {
			sum.Bytes += results[i].Bytes
		}
	}
	state := connection.ConnectionState()
	sum.Version, sum.Resumed, sum.ALPN = state.Version.String(), state.TLS.DidResume, state.TLS.NegotiatedProtocol
	return sum, nil
}

// resolve turns HOST:PORT into a UDP address.
func resolve(address string) (*net.UDPAddr, error) {
	return net.ResolveUDPAddr("udp", strings.TrimPrefix(address, "https://"))
}
