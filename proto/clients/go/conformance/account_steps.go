package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/dafnck/dafnckmachine/proto/clients/go/client"
	commonv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/common/v1"
	identityv1 "github.com/dafnck/dafnckmachine/proto/gen/go/dafnck/identity/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func signUp(ctx context.Context, s *scenario) string {
	user := s.register(ctx, "olga")
	response := must(s.auth.Login(ctx, &identityv1.LoginRequest{Login: user.name, Password: s.password}))
	grant := response.GetSessionGrant()
	check(grant.GetUser().GetId(), user.id, "the user who signed in")
	s.user = s.newUser(user.name, grant)
	who := must(s.user.auth.WhoAmI(ctx, &identityv1.WhoAmIRequest{}))
	check(who.User.Username, user.name, "the username of the session")
	return "signed in as " + who.User.Username
}

const totpPeriod = 30 * time.Second

// totp is RFC 6238 with SHA-1, 6 digits and 30 s.
func totp(secret string, now time.Time) string {
	key := must(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret))
	code := hmac.New(sha1.New, key)
	must(0, binary.Write(code, binary.BigEndian, now.Unix()/int64(totpPeriod.Seconds())))
	sum := code.Sum(nil)
	number := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", number%1_000_000)
}

func secondFactor(ctx context.Context, s *scenario) string {
	begun := must(s.user.account.BeginSecondFactor(ctx, &identityv1.BeginSecondFactorRequest{
		RequestId: uuid.NewString(),
		Password:  s.password,
	}))
	code := totp(begun.Secret, time.Now())
	recovery := must(s.user.account.ConfirmSecondFactor(ctx, &identityv1.ConfirmSecondFactorRequest{
		RequestId: uuid.NewString(),
		Code:      code,
	}))
	check(len(recovery.Codes), 10, "the number of recovery codes")
	response := must(s.auth.Login(ctx, &identityv1.LoginRequest{Login: s.user.name, Password: s.password}))
	challenge := response.GetSecondFactorChallenge()
	checkThat(challenge != nil, "a password alone gives %v", response)
	complete := func(code string) (*identityv1.SessionGrant, error) {
		return s.auth.CompleteLogin(ctx, &identityv1.CompleteLoginRequest{
			ChallengeToken: challenge.ChallengeToken,
			Proof:          &identityv1.SecondFactorProof{Proof: &identityv1.SecondFactorProof_Code{Code: code}},
		})
	}
	refused(complete(code))(codes.Unauthenticated, "SECOND_FACTOR_INVALID")
	// A code works once; the server also takes that of the next period.
	grant := must(complete(totp(begun.Secret, time.Now().Add(totpPeriod))))
	check(grant.User.Id, s.user.id, "the user who signed in")
	return fmt.Sprintf("signed in with a code; %d recovery codes", len(recovery.Codes))
}

func refresh(ctx context.Context, s *scenario) string {
	old := s.user.session.Tokens()
	must(0, s.user.session.Refresh(ctx))
	checkThat(s.user.session.Tokens().SessionToken != old.SessionToken, "the token is still the same")
	request := &identityv1.WhoAmIRequest{}
	connection := s.connect("identity", client.APIToken(old.SessionToken))
	defer connection.Close()
	refused(identityv1.NewAuthServiceClient(connection).WhoAmI(ctx, request))(codes.Unauthenticated, "SESSION_INVALID")
	check(must(s.user.auth.WhoAmI(ctx, request)).User.Id, s.user.id, "the user of the new token")

	other := s.register(ctx, "nina").session.Tokens()
	other.ExpiresAt = timestamppb.Now()
	expiring := client.NewSession(s.connect("identity", nil), other)
	connection = s.connect("identity", expiring.Authorization)
	defer connection.Close()
	must(identityv1.NewAuthServiceClient(connection).WhoAmI(ctx, request))
	checkThat(expiring.Tokens().SessionToken != other.SessionToken, "an expiring token was not refreshed by itself")
	return "the old token is SESSION_INVALID, the new one works; an expiring one is refreshed before a call"
}

func serverInfo(ctx context.Context, s *scenario) string {
	info := must(s.serverInfo.GetServerInfo(ctx, &commonv1.GetServerInfoRequest{}))
	limits := info.Limits
	checkThat(limits.MaxPageSize > 0, "max_page_size is not positive")
	checkThat(limits.MaxMessageBytes > 0, "max_message_bytes is not positive")
	checkThat(limits.MaxDeadline.AsDuration() >= limits.DefaultDeadline.AsDuration(), "deadlines contradict")
	checkThat(slices.Contains(info.ApiPackages, "dafnck.task.v1"), "no dafnck.task.v1 among %v", info.ApiPackages)
	return fmt.Sprintf("version %s, pages of %d, messages of %d bytes",
		info.Version, limits.MaxPageSize, limits.MaxMessageBytes)
}
