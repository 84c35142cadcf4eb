package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const largest = 64 << 20

// ended is what the server saw of a call.
type ended struct {
	Method   string      `json:"method"`
	Code     string      `json:"code"`
	Metadata metadata.MD `json:"metadata"`
	Deadline float64     `json:"deadline"` // seconds that were left at its start; 0 without one
	Context  string      `json:"context"`  // why the call's context was over before its handler had returned
}

var output sync.Mutex

func tell(value any) {
	output.Lock()
	defer output.Unlock()
	json.NewEncoder(os.Stdout).Encode(value)
}

// record tells of a call when its handler has returned.
func record(ctx context.Context, method string, handler func() error) {
	seen := ended{Method: method}
	seen.Metadata, _ = metadata.FromIncomingContext(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		seen.Deadline = time.Until(deadline).Seconds()
	}
	seen.Code = status.Code(handler()).String()
	if err := ctx.Err(); err != nil {
		seen.Context = err.Error()
	}
	tell(seen)
}

func serve(o options) error {
	settings := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(largest),
		grpc.UnaryInterceptor(func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
			record(ctx, info.FullMethod, func() error {
				response, err = handler(ctx, request)
				return err
			})
			return
		}),
		grpc.StreamInterceptor(func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
			record(stream.Context(), info.FullMethod, func() error {
				err = handler(server, stream)
				return err
			})
			return
		}),
	}
	if o.cert != "" {
		certificate, err := credentials.NewServerTLSFromFile(o.cert, o.key)
		if err != nil {
			return err
		}
		settings = append(settings, grpc.Creds(certificate))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(settings...)
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	fmt.Println(listener.Addr())
	return server.Serve(listener)
}
