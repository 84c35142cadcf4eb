// A CONNECT-IP proxy (RFC 9484) on connect-ip-go for connect_ip_test.py, one client after the other, with a TUN device whose addresses the test sets.
// It assigns what is requested of it, from -assign, and on SIGUSR1 other addresses instead, unrequested, from -then. A module of its own:
// connect-ip-go before 0.4 ends a tunnel whose client requests addresses, and that one needs a newer Go than the programs in quicgo/.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	connectip "github.com/quic-go/connect-ip-go"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/yosida95/uritemplate/v3"
	"golang.org/x/net/dns/dnsmessage"

	"sallyport/interop/tundevice"
)

// Of all hosts and IP protocols: connect-ip-go knows no others.
const path = "/.well-known/masque/ip/*/*/"

// What every client is told, to see that it is read: a capsule that its reader takes for malformed ends the tunnel.
var (
	resolvers = []connectip.DNSConfiguration{{
		Nameservers: []connectip.DNSNameserver{
			{ServicePriority: 1, IPv4Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.53")},
				IPv6Addresses: []netip.Addr{netip.MustParseAddr("2001:db8:5::53")}, AuthenticationDomainName: "dns.example",
				ServiceParameters: map[dnsmessage.SVCParamKey][]byte{dnsmessage.SVCParamALPN: []byte("\x03dot\x02h3"),
					dnsmessage.SVCParamDOHPath: []byte("/dns-query{?dns}")}},
			{ServicePriority: 2, IPv4Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.54")}},
		},
		InternalDomains: []string{"internal.example", ""},
		SearchDomains:   []string{"search.example"},
	}}
	nat64 = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96")}
)

type proxy struct {
	device       *os.File
	template     *uritemplate.Template
	assign, then []netip.Prefix
	told         chan os.Signal
	one          sync.Mutex // held by the client that has the device
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address, as clients name it")
	cert := flag.String("cert", "", "certificate")
	key := flag.String("key", "", "its key")
	name := flag.String("device", "", "of the TUN device that it makes")
	assign := flag.String("assign", "", "what clients are assigned, one prefix of each IP version, with commas between")
	then := flag.String("then", "", "what they are assigned instead on SIGUSR1")
	flag.Parse()
	if err := run(*listen, *cert, *key, *name, *assign, *then); err != nil {
		fmt.Fprintln(os.Stderr, "connectip:", err)
		os.Exit(1)
	}
}

func run(listen, cert, key, name, assign, then string) error {
	certificate, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	p := &proxy{told: make(chan os.Signal, 1)}
	signal.Notify(p.told, syscall.SIGUSR1)
	if p.assign, err = prefixes(assign); err != nil {
		return err
	}
	if p.then, err = prefixes(then); err != nil {
		return err
	}
	socket, err := net.ListenPacket("udp", listen)
	if err != nil {
		return err
	}
	if p.template, err = uritemplate.New("https://" + socket.LocalAddr().String() + path); err != nil {
		return err
	}
	if p.device, err = tundevice.Open(name); err != nil {
		return err
	}
	// The first line: the device is there, too.
	fmt.Println(socket.LocalAddr())
	server := &http3.Server{Handler: p, EnableDatagrams: true,
		// Large enough for IPv6's least MTU from the start, and small enough for a hop around it.
		QUICConfig: &quic.Config{EnableDatagrams: true, InitialPacketSize: 1350},
		TLSConfig:  http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}})}
	return server.Serve(socket)
}

func prefixes(words string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for word := range strings.SplitSeq(words, ",") {
		if word == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			return nil, err
		}
		all = append(all, prefix)
	}
	return all, nil
}

// routes are everything, of the IP versions that have an address to send it from.
func (p *proxy) routes() []connectip.IPRoute {
	var all []connectip.IPRoute
	for _, prefix := range p.assign {
		last := "255.255.255.255"
		first := netip.IPv4Unspecified()
		if prefix.Addr().Is6() {
			last, first = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", netip.IPv6Unspecified()
		}
		all = append(all, connectip.IPRoute{StartIP: first, EndIP: netip.MustParseAddr(last)})
	}
	return all
}

func (p *proxy) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	if request.URL.Path != path {
		writer.WriteHeader(http.StatusNotFound)
		return
	}
	asked, err := connectip.ParseProxyRequest(request, p.template)
	if err != nil {
		status := http.StatusInternalServerError
		if refused, ok := errors.AsType[*connectip.ProxyRequestParseError](err); ok {
			status = refused.HTTPStatus
		}
		fmt.Fprintln(os.Stderr, "connectip: refused:", err)
		writer.WriteHeader(status)
		return
	}
	p.one.Lock()
	defer p.one.Unlock()
	tunnel, err := (&connectip.Proxy{}).Proxy(writer, asked)
	if err != nil {
		fmt.Fprintln(os.Stderr, "connectip:", err)
		return
	}
	defer tunnel.Close()
	ended, end := context.WithCancel(context.Background())
	defer end()
	go p.assignWhatIsRequested(ended, tunnel)
	go p.assignOthers(ended, tunnel)
	err = errors.Join(tunnel.AdvertiseRoute(p.routes()), tunnel.SendDNSConfiguration(resolvers), tunnel.SendPREF64Configuration(nat64))
	if err == nil {
		err = tundevice.Join(p.device, tunnel)
	}
	fmt.Fprintln(os.Stderr, "connectip: the tunnel ended:", err)
}

func (p *proxy) assignWhatIsRequested(ctx context.Context, tunnel *connectip.Conn) {
	for {
		request, err := tunnel.ReceiveAddressRequest(ctx)
		if err != nil {
			return
		}
		fmt.Fprintln(os.Stderr, "connectip: requested:", request.Prefixes)
		// What stays empty is rejected.
		answers := make([]netip.Prefix, len(request.Prefixes))
		for i, wanted := range request.Prefixes {
			for _, prefix := range p.assign {
				if prefix.Addr().Is4() == wanted.Addr().Is4() {
					answers[i] = prefix
				}
			}
		}
		if err := request.Respond(answers, nil); err != nil {
			fmt.Fprintln(os.Stderr, "connectip: answering:", err)
			return
		}
	}
}

func (p *proxy) assignOthers(ctx context.Context, tunnel *connectip.Conn) {
	select {
	case <-ctx.Done():
	case <-p.told:
		if err := tunnel.AssignAddresses(p.then); err != nil {
			fmt.Fprintln(os.Stderr, "connectip: assigning others:", err)
		}
	}
}
