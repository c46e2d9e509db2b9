// Judges messages by the buf.validate rules in their descriptors, with the library of protovalidate's authors for Go.
//
// Input and output are those of oracle.py.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

func judge(message proto.Message) ([][3]string, error) {
	violations := [][3]string{}
	err := protovalidate.Validate(message)
	var invalid *protovalidate.ValidationError
	var runtime *protovalidate.RuntimeError
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		for _, violation := range invalid.Violations {
			path := protovalidate.FieldPathString(violation.Proto.GetField())
			violations = append(violations, [3]string{path, violation.Proto.GetRuleId(), violation.Proto.GetMessage()})
		}
	case errors.As(err, &runtime):
		// A time or duration beyond its range cannot be compared.
		violations = append(violations, [3]string{"", "", err.Error()})
	default:
		return nil, err
	}
	return violations, nil
}

func types(path string) (*dynamicpb.Types, error) {
	encoded, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(encoded, &set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, err
	}
	return dynamicpb.NewTypes(files), nil
}

func answer(types *dynamicpb.Types, line string) error {
	name, digits, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	kind, err := types.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return err
	}
	encoded, err := hex.DecodeString(digits)
	if err != nil {
		return err
	}
	message := kind.New().Interface()
	if err := proto.Unmarshal(encoded, message); err != nil {
		return err
	}
	violations, err := judge(message)
	if err != nil {
		return err
	}
	text, err := json.Marshal(violations)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(text))
	return err
}

func run() error {
	types, err := types(os.Args[1])
	if err != nil {
		return err
	}
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := answer(types, line); err != nil {
			return err
		}
	}
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
