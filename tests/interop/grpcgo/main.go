// gRPC's own interoperability tests (google.golang.org/grpc/interop), client and server, for route_grpc_test.py.
//
//	grpcgo serve            its test server; says its address, then one JSON object for each call that ended, on standard output
//	grpcgo call CASE        one case of a client
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

type options struct {
	ca, cert, key, address string
	size                   int
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: grpcgo serve|call [flags] [CASE]"))
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.ca, "ca", "", "call: trust the certificates of this PEM file")
	flags.StringVar(&o.address, "address", "", "call: HOST:PORT to connect to")
	flags.IntVar(&o.size, "size", 0, "call: bytes of a message")
	flags.StringVar(&o.cert, "cert", "", "serve: certificate; without one it is HTTP/2 in the clear")
	flags.StringVar(&o.key, "key", "", "serve: its key")
	flags.Parse(os.Args[2:])
	if os.Args[1] == "serve" {
		fail(serve(o))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	result, err := call(ctx, o, flags.Arg(0))
	if err != nil {
		fail(err)
	}
	json.NewEncoder(os.Stdout).Encode(result)
}

func fail(err error) {
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "grpcgo:", err)
	os.Exit(1)
}
