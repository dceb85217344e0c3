package main

import (
	"context"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Retries for the methods that the contract lets a client call again (idempotency_level).
const serviceConfig = `{"methodConfig": [{
	"name": [
		{"service": "songs.v1.SongService", "method": "CreateSong"},
		{"service": "songs.v1.SongService", "method": "GetSong"},
		{"service": "songs.v1.SongService", "method": "ListSongs"},
		{"service": "songs.v1.SongService", "method": "SearchSongs"}
	],
	"retryPolicy": {
		"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
		"retryableStatusCodes": ["UNAVAILABLE"]
	}
}]}`

// bearer sends the access token of a session with each call. It is empty until there is one.
type bearer struct{ token string }

func (b *bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if b.token == "" {
		return nil, nil
	}
	return map[string]string{"authorization": "Bearer " + b.token}, nil
}

// RequireTransportSecurity lets the token go without TLS, to a server on this machine; elsewhere say true.
func (b *bearer) RequireTransportSecurity() bool { return false }

// connect opens a connection to a server without TLS; it connects with its first call.
func connect(address string, session *bearer) (*grpc.ClientConn, error) {
	return grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(session),
		grpc.WithDefaultServiceConfig(serviceConfig))
}

// A refusal is what the server says of a call that it refuses.
type refusal struct {
	status codes.Code
	info   *errdetails.ErrorInfo // reason: the name of the code; metadata: its number, and song_id with SONG_EXISTS
	fields []string              // those that break a rule
}

// readRefusal reads the error of a failed call.
func readRefusal(err error) refusal {
	failed := status.Convert(err)
	read := refusal{status: failed.Code()}
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			read.info = detail
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				read.fields = append(read.fields, violation.Field)
			}
		}
	}
	return read
}
