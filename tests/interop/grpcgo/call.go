package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// came is what the client got of a call.
type came struct {
	Code     string      `json:"code"`
	Message  string      `json:"message"`
	Messages int         `json:"messages"`
	Bytes    int         `json:"bytes"`
	Headers  metadata.MD `json:"headers"`
	Trailers metadata.MD `json:"trailers"`
}

func (c *came) end(err error) {
	if err == io.EOF {
		err = nil
	}
	c.Code, c.Message = status.Code(err).String(), status.Convert(err).Message()
}

// suite has gRPC's own cases, which end the process where they fail.
var suite = map[string]func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption){
	"empty_unary":                 interop.DoEmptyUnaryCall,
	"large_unary":                 interop.DoLargeUnaryCall,
	"client_streaming":            interop.DoClientStreaming,
	"server_streaming":            interop.DoServerStreaming,
	"ping_pong":                   interop.DoPingPong,
	"empty_stream":                interop.DoEmptyStream,
	"timeout_on_sleeping_server":  interop.DoTimeoutOnSleepingServer,
	"cancel_after_begin":          interop.DoCancelAfterBegin,
	"cancel_after_first_response": interop.DoCancelAfterFirstResponse,
	"custom_metadata":             interop.DoCustomMetadata,
	"status_code_and_message":     interop.DoStatusCodeAndMessage,
	"special_status_message":      interop.DoSpecialStatusMessage,
}

// What is echoed by the server's metadata.
var echoed = metadata.Pairs("x-grpc-test-echo-initial", "initial", "x-grpc-test-echo-trailing-bin", "\x00\x01\xff")

func call(ctx context.Context, o options, name string) (any, error) {
	trust, err := credentials.NewClientTLSFromFile(o.ca, "")
	if err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient(o.address, grpc.WithTransportCredentials(trust), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largest)))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	client := testgrpc.NewTestServiceClient(connection)
	if one, ok := suite[name]; ok {
		one(ctx, client)
		return map[string]bool{"passed": true}, nil
	}
	switch name {
	case "unimplemented_method":
		interop.DoUnimplementedMethod(ctx, connection)
		return map[string]bool{"passed": true}, nil
	case "unimplemented_service":
		interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(connection))
		return map[string]bool{"passed": true}, nil
	case "unary":
		return unary(ctx, client, o.size, nil)
	case "error_without_a_body":
		return unary(ctx, client, o.size, refusal)
	case "error_with_a_body":
		return duplex(ctx, client, o.size, refusal)
	case "deadline":
		return deadline(ctx, client)
	case "cancel":
		return cancelled(ctx, client)
	}
	return nil, fmt.Errorf("there is no case '%s'", name)
}

// Code 9, FAILED_PRECONDITION, with a message that grpc-message has to encode.
var refusal = &testgrpc.EchoStatus{Code: 9, Message: "100% of it,\nin any script: \u00e9\u4e2d"}

func payload(size int) *testgrpc.Payload {
	return &testgrpc.Payload{Body: bytes.Repeat([]byte{0}, size)}
}

func unary(ctx context.Context, client testgrpc.TestServiceClient, size int, wanted *testgrpc.EchoStatus) (*came, error) {
	var c came
	response, err := client.UnaryCall(metadata.NewOutgoingContext(ctx, echoed),
		&testgrpc.SimpleRequest{ResponseSize: int32(size), Payload: payload(size), ResponseStatus: wanted}, grpc.Header(&c.Headers), grpc.Trailer(&c.Trailers))
	c.end(err)
	if err == nil {
		c.Messages, c.Bytes = 1, len(response.Payload.Body)
	}
	return &c, nil
}

// duplex has a message of `size` bytes come back, and then the call end with `wanted`.
func duplex(ctx context.Context, client testgrpc.TestServiceClient, size int, wanted *testgrpc.EchoStatus) (*came, error) {
	var c came
	stream, err := client.FullDuplexCall(metadata.NewOutgoingContext(ctx, echoed))
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: int32(size)}}}); err != nil {
		return nil, err
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	c.Messages, c.Bytes = 1, len(first.Payload.Body)
	if err := stream.Send(&testgrpc.StreamingOutputCallRequest{ResponseStatus: wanted}); err != nil {
		return nil, err
	}
	_, err = stream.Recv()
	c.end(err)
	c.Headers, _ = stream.Header()
	c.Trailers = stream.Trailer()
	return &c, nil
}

// deadline makes a call that the server would answer after its deadline.
func deadline(ctx context.Context, client testgrpc.TestServiceClient) (*came, error) {
	var c came
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	stream, err := client.FullDuplexCall(ctx)
	if err == nil {
		_, err = stream.Recv()
	}
	c.end(err)
	return &c, nil
}

// cancelled gives a call up once a first message has come back; the server waits for a second one.
func cancelled(ctx context.Context, client testgrpc.TestServiceClient) (*came, error) {
	var c came
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: 1}}}); err != nil {
		return nil, err
	}
	if _, err := stream.Recv(); err != nil {
		return nil, err
	}
	cancel()
	_, err = stream.Recv()
	c.end(err)
	// The connection stays until the server was told.
	_, err = client.EmptyCall(context.WithoutCancel(ctx), &testgrpc.Empty{})
	return &c, err
}
