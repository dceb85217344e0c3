package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// connect opens the connections of all workers: `open` gives each worker the one that it calls on.
func connect(o options) (open func(worker int) exchange, closeAll func(), err error) {
	if o.http {
		deadline := o.warmUp + o.seconds + 10*time.Second
		return func(int) exchange { return (&httpConnection{address: o.target, deadline: deadline}).exchange }, func() {}, nil
	}
	connections := make([]*grpc.ClientConn, min(o.connections, o.inFlight))
	for i := range connections {
		connections[i], err = grpc.NewClient("passthrough:///"+o.target,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})),
			// What costs and is of no use here: retries, pings that measure the bandwidth.
			grpc.WithDisableRetry(),
			grpc.WithDisableServiceConfig(),
			grpc.WithStaticStreamWindowSize(1<<20),
			grpc.WithStaticConnWindowSize(16<<20),
		)
		if err != nil {
			return nil, nil, err
		}
	}
	open = func(worker int) exchange {
		connection := connections[worker%len(connections)]
		var answer []byte
		var withToken context.Context
		return func(ctx context.Context, q question) ([]byte, error) {
			if withToken == nil {
				withToken = ctx
				if o.token != "" {
					withToken = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+o.token)
				}
			}
			err := connection.Invoke(withToken, q.path, q.body, &answer)
			return answer, err
		}
	}
	closeAll = func() {
		for _, connection := range connections {
			_ = connection.Close()
		}
	}
	return open, closeAll, nil
}

// raw is a codec for messages that are bytes already.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	to := v.(*[]byte)
	*to = append((*to)[:0], data...)
	return nil
}

// httpConnection is one HTTP/1.1 connection, kept alive as long as the server does.
type httpConnection struct {
	address  string
	deadline time.Duration
	conn     net.Conn
	reader   *bufio.Reader
	request  bytes.Buffer
	answer   bytes.Buffer
}

func (h *httpConnection) exchange(_ context.Context, q question) ([]byte, error) {
	reused := h.conn != nil
	answer, err := h.once(q)
	if err != nil && h.conn == nil && reused && q.method == http.MethodGet {
		// The server has closed a connection that was idle: every client tries once more.
		return h.once(q)
	}
	return answer, err
}

func (h *httpConnection) once(q question) (answer []byte, err error) {
	if h.conn == nil {
		if h.conn, err = net.DialTimeout("tcp", h.address, 5*time.Second); err != nil {
			h.conn = nil
			return nil, err
		}
		_ = h.conn.SetDeadline(time.Now().Add(h.deadline))
		h.reader = bufio.NewReaderSize(h.conn, 1<<15)
	}
	h.request.Reset()
	fmt.Fprintf(&h.request, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n", q.method, q.path, h.address)
	if q.body != nil {
		fmt.Fprintf(&h.request, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(q.body))
	}
	h.request.WriteString("\r\n")
	h.request.Write(q.body)
	if _, err = h.conn.Write(h.request.Bytes()); err != nil {
		return nil, h.drop(err)
	}
	response, err := http.ReadResponse(h.reader, nil)
	if err != nil {
		return nil, h.drop(err)
	}
	h.answer.Reset()
	if _, err = io.Copy(&h.answer, response.Body); err != nil {
		return nil, h.drop(err)
	}
	if response.Close {
		_ = h.drop(nil)
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%s: %.200s", response.Status, h.answer.Bytes())
	}
	return h.answer.Bytes(), nil
}

func (h *httpConnection) drop(err error) error {
	_ = h.conn.Close()
	h.conn = nil
	return err
}
