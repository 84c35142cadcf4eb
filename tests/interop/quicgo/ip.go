package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	connectip "github.com/quic-go/connect-ip-go"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/yosida95/uritemplate/v3"
)

type ipFigures struct {
	Status   int            `json:"status"`
	Prefixes []netip.Prefix `json:"prefixes"`
	Routes   []string       `json:"routes"`
	Echoed   int            `json:"echoed"`
	Icmp     [][]byte       `json:"icmp"` // what else came, whole packets
}

// packets opens a CONNECT-IP tunnel (RFC 9484) and sends o.count UDP packets of o.size bytes of payload to the echo at `target`, from the first
// address of its IP version that the proxy assigned.
func packets(ctx context.Context, o options, target string) (*ipFigures, error) {
	proxy, err := url.Parse(o.via)
	if err != nil {
		return nil, err
	}
	config, err := clientTLS(o)
	if err != nil {
		return nil, err
	}
	config.ServerName = proxy.Hostname()
	// Large enough for IPv6's least MTU from the start.
	connection, err := quic.DialAddr(ctx, proxy.Host, config, &quic.Config{EnableDatagrams: true, InitialPacketSize: 1420})
	if err != nil {
		return nil, err
	}
	defer connection.CloseWithError(0x100, "")
	client := (&http3.Transport{EnableDatagrams: true}).NewClientConn(connection)
	template := uritemplate.MustNew(o.via + "/.well-known/masque/ip/*/*/")
	tunnel, response, err := connectip.Dial(ctx, client, template)
	if response != nil && response.StatusCode != http.StatusOK {
		return &ipFigures{Status: response.StatusCode}, nil
	}
	if err != nil {
		return nil, err
	}
	defer tunnel.Close()
	result := &ipFigures{Status: response.StatusCode}
	if result.Prefixes, err = tunnel.LocalPrefixes(ctx); err != nil {
		return nil, err
	}
	routes, err := tunnel.Routes(ctx)
	if err != nil {
		return nil, err
	}
	for _, route := range routes {
		result.Routes = append(result.Routes, fmt.Sprintf("%s-%s", route.StartIP, route.EndIP))
	}
	if target == "" {
		return result, nil
	}
	to, err := netip.ParseAddrPort(target)
	if err != nil {
		return nil, err
	}
	var from netip.Addr
	for _, prefix := range result.Prefixes {
		if prefix.Addr().Is4() == to.Addr().Is4() {
			from = prefix.Addr()
		}
	}
	if !from.IsValid() {
		return nil, fmt.Errorf("no address of the target's IP version among %v", result.Prefixes)
	}
	timer := time.AfterFunc(60*time.Second, func() { tunnel.Close() })
	defer timer.Stop()
	missing := map[string]bool{}
	buffer := make([]byte, 65536)
	for i := range o.count {
		payload := append([]byte{byte(i), byte(i >> 8)}, bytes.Repeat([]byte{'x'}, o.size-2)...)
		missing[string(payload)] = true
		icmp, err := tunnel.WritePacket(udpPacket(netip.AddrPortFrom(from, 40000), to, payload))
		if err != nil {
			return nil, err
		}
		if len(icmp) > 0 {
			result.Icmp = append(result.Icmp, icmp)
			continue
		}
		// One at a time: what matters is that they come, not how fast.
		n, err := tunnel.ReadPacket(buffer)
		if err != nil {
			return nil, fmt.Errorf("%d of %d packets came back: %w", result.Echoed, o.count, err)
		}
		headers := 28
		if !to.Addr().Is4() {
			headers = 48
		}
		if n > headers && missing[string(buffer[headers:n])] {
			delete(missing, string(buffer[headers:n]))
			result.Echoed++
		} else {
			result.Icmp = append(result.Icmp, bytes.Clone(buffer[:n]))
		}
	}
	return result, nil
}

func sum(parts ...[]byte) uint16 {
	var total uint32
	for _, part := range parts {
		for i := 0; i < len(part); i += 2 {
			word := uint32(part[i]) << 8
			if i+1 < len(part) {
				word |= uint32(part[i+1])
			}
			total += word
		}
	}
	for total > 0xffff {
		total = total&0xffff + total>>16
	}
	return ^uint16(total)
}

// udpPacket is an IP packet, of the addresses' version, with a UDP datagram in it.
func udpPacket(from, to netip.AddrPort, payload []byte) []byte {
	udp := binary.BigEndian.AppendUint16(nil, from.Port())
	udp = binary.BigEndian.AppendUint16(udp, to.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...)
	addresses := append(from.Addr().AsSlice(), to.Addr().AsSlice()...)
	pseudo := []byte{0, 17, byte(len(udp) >> 8), byte(len(udp))}
	binary.BigEndian.PutUint16(udp[6:], sum(addresses, pseudo, udp))
	if to.Addr().Is4() {
		head := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0}
		binary.BigEndian.PutUint16(head[2:], uint16(20+len(udp)))
		head = append(head, addresses...)
		binary.BigEndian.PutUint16(head[10:], sum(head))
		return append(head, udp...)
	}
	head := []byte{0x60, 0, 0, 0, byte(len(udp) >> 8), byte(len(udp)), 17, 64}
	return append(append(head, addresses...), udp...)
}
