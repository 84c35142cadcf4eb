package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"

	connectip "github.com/quic-go/connect-ip-go"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/yosida95/uritemplate/v3"

	"sallyport/interop/tundevice"
)

// What both ends agree on without asking: scripts/bench tun gives the devices their addresses.
var everything = []connectip.IPRoute{{StartIP: netip.MustParseAddr("0.0.0.0"), EndIP: netip.MustParseAddr("255.255.255.255")}}

// tunClient joins a TUN device and a CONNECT-IP tunnel.
func tunClient(o options, name string) error {
	proxy, err := url.Parse(o.via)
	if err != nil {
		return err
	}
	config, err := clientTLS(o)
	if err != nil {
		return err
	}
	config.ServerName = proxy.Hostname()
	connection, err := quic.DialAddr(context.Background(), proxy.Host, config, tunConfig())
	if err != nil {
		return err
	}
	client := (&http3.Transport{EnableDatagrams: true}).NewClientConn(connection)
	tunnel, response, err := connectip.Dial(context.Background(), client, uritemplate.MustNew(o.via+"/.well-known/masque/ip/*/*/"))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy answered %d", response.StatusCode)
	}
	if _, err := tunnel.LocalPrefixes(context.Background()); err != nil {
		return err
	}
	device, err := tundevice.Open(name)
	if err != nil {
		return err
	}
	fmt.Println("open")
	return tundevice.Join(device, tunnel)
}

// tunProxy answers one CONNECT-IP request after the other; each has the device to itself.
func tunProxy(o options, name, assigned string) error {
	certificate, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return err
	}
	prefix, err := netip.ParsePrefix(assigned)
	if err != nil {
		return err
	}
	device, err := tundevice.Open(name)
	if err != nil {
		return err
	}
	template := uritemplate.MustNew("https://" + o.listen + "/.well-known/masque/ip/*/*/")
	proxy := connectip.Proxy{}
	handler := func(writer http.ResponseWriter, request *http.Request) {
		asked, err := connectip.ParseRequest(request, template)
		if err != nil {
			writer.WriteHeader(http.StatusBadRequest)
			return
		}
		tunnel, err := proxy.Proxy(writer, asked)
		if err != nil {
			return
		}
		defer tunnel.Close()
		if err := tunnel.AssignAddresses(request.Context(), []netip.Prefix{prefix}); err != nil {
			return
		}
		if err := tunnel.AdvertiseRoute(request.Context(), everything); err != nil {
			return
		}
		fmt.Fprintln(os.Stderr, "quicgo:", tundevice.Join(device, tunnel))
	}
	server := &http3.Server{Addr: o.listen, Handler: http.HandlerFunc(handler), EnableDatagrams: true, QUICConfig: tunConfig(),
		TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}})}
	return server.ListenAndServe()
}

func tunConfig() *quic.Config {
	return &quic.Config{EnableDatagrams: true, InitialPacketSize: 1420, MaxIdleTimeout: 600e9, KeepAlivePeriod: 10e9}
}
