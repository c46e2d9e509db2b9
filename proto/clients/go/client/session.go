package client

import (
	"context"
	"sync"
	"time"

	identityv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/identity/v1"
	"google.golang.org/grpc"
)

const (
	refreshBeforeExpiry = time.Minute
	refreshTimeout      = 10 * time.Second
)

// Session has the tokens of a signed-in user and exchanges them before they expire. Goroutines may share it.
type Session struct {
	auth   identityv1.AuthServiceClient
	mutex  sync.Mutex
	tokens *identityv1.SessionTokens
}

// NewSession takes a connection to the identity service without authorization.
func NewSession(identity grpc.ClientConnInterface, tokens *identityv1.SessionTokens) *Session {
	return &Session{auth: identityv1.NewAuthServiceClient(identity), tokens: tokens}
}

// Tokens returns the present tokens.
func (s *Session) Tokens() *identityv1.SessionTokens {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.tokens
}

// Authorization is an Authorization.
func (s *Session) Authorization(ctx context.Context, _ string) (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if time.Until(s.tokens.ExpiresAt.AsTime()) < refreshBeforeExpiry {
		if err := s.refresh(ctx); err != nil {
			return "", err
		}
	}
	return "Bearer " + s.tokens.SessionToken, nil
}

// Refresh exchanges the tokens. Streams that the former token opened end; WatchTasks opens them again.
func (s *Session) Refresh(ctx context.Context) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.refresh(ctx)
}

func (s *Session) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	grant, err := s.auth.RefreshSession(ctx, &identityv1.RefreshSessionRequest{RefreshToken: s.tokens.RefreshToken})
	if err == nil {
		s.tokens = grant.Tokens
	}
	return err
}
