package strictjson

import (
	"fmt"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct{ summary, text, want string }{
		{"one value", `{"a": 1}` + "\n", "<nil>"},
		{"an unknown field", `{"b": 1}`, `json: unknown field "b"`},
		{"two values", `{"a": 1} {}`, "more than one value"},
		{"rubbish after the value", `{"a": 1} x`, "more than one value"},
		{"nothing", "", "EOF"},
		{"a value of exactly the limit", `{"a": 123456789012}`, "<nil>"},
		{"a value over the limit", `{"a": 1234567890123}`, "larger than 19 bytes"},
		{"blanks over the limit", `{"a": 1}` + strings.Repeat(" ", 20), "larger than 19 bytes"},
	} {
		var v struct {
			A int `json:"a"`
		}
		if got := fmt.Sprint(Decode(strings.NewReader(c.text), 19, &v)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.summary, got, c.want)
		}
	}
}
