package client

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// PrivateKey reads the key of a principal from PEM, as `openssl genpkey -algorithm ed25519` writes it.
func PrivateKey(text string) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the key is not in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not one of Ed25519")
	}
	return key, nil
}

// Signature returns the authorization header of one call of a trusted back end or operator; path is
// /package.Service/Method, nonce 16 random bytes.
func Signature(name string, key ed25519.PrivateKey, path string, unixSeconds int64, nonce [16]byte) string {
	text := fmt.Sprintf("dafnck-call|%s|%d|%x|%s", name, unixSeconds, nonce, path)
	return fmt.Sprintf("Service %s.%d.%x.%x", name, unixSeconds, nonce, ed25519.Sign(key, []byte(text)))
}

// Service authorizes as a service principal, as "backend".
func Service(name string, key ed25519.PrivateKey) Authorization {
	return func(_ context.Context, path string) (string, error) {
		var nonce [16]byte
		if _, err := rand.Read(nonce[:]); err != nil {
			return "", err
		}
		return Signature(name, key, path, time.Now().Unix(), nonce), nil
	}
}
