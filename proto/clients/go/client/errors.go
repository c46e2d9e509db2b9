package client

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// FindDetail returns the error's detail of this type, as *errdetails.BadRequest, or nil.
func FindDetail[Detail proto.Message](err error) Detail {
	var none Detail
	for _, detail := range status.Convert(err).Details() {
		if found, ok := detail.(Detail); ok {
			return found
		}
	}
	return none
}

// Reason returns the name of a dafnck.common.v1.ErrorReason without its prefix, or nothing if the error is not from the
// suite.
func Reason(err error) string {
	return FindDetail[*errdetails.ErrorInfo](err).GetReason()
}

// Explain returns the error as text, with its reason and all violations.
func Explain(err error) string {
	failure := status.Convert(err)
	text := fmt.Sprintf("%s: %s", failure.Code(), failure.Message())
	if info := FindDetail[*errdetails.ErrorInfo](err); info != nil {
		text += fmt.Sprintf(" [%s %v]", info.Reason, info.Metadata)
	}
	for _, violation := range FindDetail[*errdetails.BadRequest](err).GetFieldViolations() {
		text += fmt.Sprintf("\n  %s: %s", violation.Field, violation.Description)
	}
	return text
}
