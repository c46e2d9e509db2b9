// Package client has what a client of the suite needs beside the generated code.
package client

import (
	"context"

	"google.golang.org/grpc/credentials"
)

// Authorization gives the value of the authorization header for a call of /package.Service/Method.
type Authorization func(ctx context.Context, path string) (string, error)

// APIToken authorizes with an API token.
func APIToken(token string) Authorization {
	return func(context.Context, string) (string, error) { return "Bearer " + token, nil }
}

// Credentials authorize each call of a connection; see grpc.WithPerRPCCredentials.
type Credentials struct {
	Authorization Authorization
	// AllowPlaintext is for the local suite: without it, connections without TLS are refused.
	AllowPlaintext bool
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (c Credentials) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	call, _ := credentials.RequestInfoFromContext(ctx)
	value, err := c.Authorization(ctx, call.Method)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": value}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (c Credentials) RequireTransportSecurity() bool { return !c.AllowPlaintext }
