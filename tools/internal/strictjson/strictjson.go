// Package strictjson decodes the JSON files that the rules and tools hand to each other: unknown fields, a second value and
// files over a limit are errors, so that two sides of different versions never half understand each other.
package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Decode reads exactly one JSON value of at most limit bytes into v, a pointer to a struct.
func Decode(r io.Reader, limit int64, v any) error {
	limited := &io.LimitedReader{R: r, N: limit + 1}
	dec := json.NewDecoder(limited)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, next := dec.Token(); next != io.EOF {
			err = errors.New("more than one value")
		}
	}
	if limited.N <= 0 {
		return fmt.Errorf("larger than %d bytes", limit)
	}
	return err
}
