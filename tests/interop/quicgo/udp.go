package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// tunnel is a CONNECT-UDP request (RFC 9298) as a net.PacketConn with one peer. Context IDs other than 0 are ignored.
type tunnel struct {
	stream *http3.RequestStream
	target *net.UDPAddr
	ctx    context.Context
	close  func() error
}

var contextOfUDP = []byte{0}

// connectUDP asks the proxy o.via for a tunnel to `address`. With o.early it does not wait for the answer, which the function
// returned gives.
func connectUDP(ctx context.Context, o options, address string) (*tunnel, func() (*http.Response, error), error) {
	target, err := resolve(address)
	if err != nil {
		return nil, nil, err
	}
	proxy, err := url.Parse(o.via)
	if err != nil {
		return nil, nil, err
	}
	config, err := clientTLS(o)
	if err != nil {
		return nil, nil, err
	}
	config.ServerName = proxy.Hostname()
	connection, err := quic.DialAddr(ctx, proxy.Host, config, quicConfig(o))
	if err != nil {
		return nil, nil, fmt.Errorf("proxy %s: %w", proxy.Host, err)
	}
	client := (&http3.Transport{EnableDatagrams: true}).NewClientConn(connection)
	select {
	case <-client.ReceivedSettings():
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if settings := client.Settings(); !settings.EnableExtendedConnect || !settings.EnableDatagrams {
		return nil, nil, errors.New("the proxy's SETTINGS lack extended CONNECT or HTTP datagrams")
	}
	stream, err := client.OpenRequestStream(ctx)
	if err != nil {
		return nil, nil, err
	}
	proxy.Path = fmt.Sprintf("/.well-known/masque/udp/%s/%d/", strings.ReplaceAll(target.IP.String(), ":", "%3A"), target.Port)
	request := &http.Request{Method: http.MethodConnect, Proto: "connect-udp", Host: proxy.Host, URL: proxy,
		Header: http.Header{http3.CapsuleProtocolHeader: {"?1"}}}
	if err := stream.SendRequestHeader(request.WithContext(ctx)); err != nil {
		return nil, nil, err
	}
	// A stream's datagrams do not end with its connection, and the tunnel outlives the dialling.
	reading, stop := context.WithCancel(context.Background())
	t := &tunnel{stream: stream, target: target, ctx: reading, close: func() error {
		stop()
		return connection.CloseWithError(0x100, "")
	}}
	if o.early {
		return t, stream.ReadResponse, nil
	}
	response, err := stream.ReadResponse()
	if err != nil {
		return nil, nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("proxy %s: status %d, Proxy-Status %q", proxy.Host, response.StatusCode, response.Header.Get("Proxy-Status"))
	}
	return t, func() (*http.Response, error) { return response, nil }, nil
}

func (t *tunnel) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		data, err := t.stream.ReceiveDatagram(t.ctx)
		if err != nil {
			return 0, nil, err
		}
		if payload, ours := bytes.CutPrefix(data, contextOfUDP); ours {
			return copy(p, payload), t.target, nil
		}
	}
}

func (t *tunnel) WriteTo(p []byte, _ net.Addr) (int, error) {
	return len(p), t.stream.SendDatagram(append(contextOfUDP[:1:1], p...))
}

func (t *tunnel) Close() error                     { return t.close() }
func (t *tunnel) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (t *tunnel) SetDeadline(time.Time) error      { return nil }
func (t *tunnel) SetReadDeadline(time.Time) error  { return nil }
func (t *tunnel) SetWriteDeadline(time.Time) error { return nil }

type echoFigures struct {
	Status int  `json:"status"`
	Echoed int  `json:"echoed"`
	Whole  bool `json:"whole"` // each came back once and unchanged
}

// echo sends o.count datagrams of o.size bytes to a UDP echo and waits for all of them.
func echo(ctx context.Context, o options, target string) (*echoFigures, error) {
	t, answer, err := connectUDP(ctx, o, target)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	missing := map[string]bool{}
	var payloads [][]byte
	for i := range o.count {
		payload := append([]byte{byte(i), byte(i >> 8)}, bytes.Repeat([]byte{'x'}, o.size-2)...)
		payloads = append(payloads, payload)
		missing[string(payload)] = true
	}
	// quic-go queues 32 datagrams and drops what comes after: fewer are under way.
	room := make(chan struct{}, 16)
	go func() {
		for _, payload := range payloads {
			room <- struct{}{}
			if _, err := t.WriteTo(payload, nil); err != nil {
				fmt.Fprintln(os.Stderr, "quicgo: sending:", err)
			}
		}
	}()
	response, err := answer()
	if err != nil {
		return nil, err
	}
	result := &echoFigures{Status: response.StatusCode, Whole: true}
	timer := time.AfterFunc(60*time.Second, func() { t.Close() })
	defer timer.Stop()
	buffer := make([]byte, 65536)
	for response.StatusCode == http.StatusOK && len(missing) > 0 {
		n, _, err := t.ReadFrom(buffer)
		if err != nil {
			return nil, fmt.Errorf("%d of %d datagrams came back: %w", result.Echoed, o.count, err)
		}
		result.Echoed++
		select {
		case <-room:
		default:
		}
		if !missing[string(buffer[:n])] {
			result.Whole = false
		}
		delete(missing, string(buffer[:n]))
	}
	return result, nil
}
