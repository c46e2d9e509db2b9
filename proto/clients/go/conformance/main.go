// The conformance scenario; ../../conformance/README.md has the contract.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dafnck/dafnckmachine/proto/clients/go/client"
	"google.golang.org/grpc/status"
)

// Also for a busy machine.
const stepTimeout = 2 * time.Minute

var steps = []struct {
	name string
	run  func(context.Context, *scenario) string
}{
	{"sign_up", signUp},
	{"second_factor", secondFactor},
	{"refresh", refresh},
	{"server_info", serverInfo},
	{"create", create},
	{"request_id_conflict", requestIDConflict},
	{"pages", pages},
	{"masks", masks},
	{"etag_conflict", etagConflict},
	{"batch", batch},
	{"complete_blocked", completeBlocked},
	{"plan", plan},
	{"watch_resume", watchResume},
	{"history", history},
	{"time_entries", timeEntries},
	{"milestones", milestones},
	{"upload_resume", uploadResume},
	{"download_checksum", downloadChecksum},
	{"comments", comments},
	{"notifications", notifications},
	{"webhooks", webhooks},
	{"validation_errors", validationErrors},
	{"not_found_and_denied", notFoundAndDenied},
	{"deadline", deadline},
	{"cancellation", cancellation},
	{"retry_after_unavailable", retryAfterUnavailable},
	{"service_signature", serviceSignature},
}

// outcome runs a step. Whatever goes wrong in it is its failure, and the next ones still run.
func outcome(s *scenario, run func(context.Context, *scenario) string) (result, detail string) {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			result, detail = "failed", fmt.Sprint(cause)
			if err, ok := cause.(error); ok {
				if _, ok := status.FromError(err); ok {
					detail = client.Explain(err)
				}
			}
		}
	}()
	return "ok", run(ctx, s)
}

func main() {
	s, code := newScenario(), 0
	for _, step := range steps {
		result, detail := outcome(s, step.run)
		if result != "ok" {
			code = 1
		}
		fmt.Printf("%s\t%s\t%s\n", step.name, result, strings.ReplaceAll(detail, "\n", "; "))
	}
	os.Exit(code)
}
