package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseProfile(t *testing.T) {
	const text = `{"otherData":{},"traceEvents":[
{"name":"thread_name","ph":"M","args":{"name":"Critical Path"}},
{"cat":"action processing","name":"Composing //variants/git:debrpm_rootfs","ph":"X","ts":1,"dur":3000000,"args":{"mnemonic":"Rootfs"}},
{"cat":"subprocess.run","name":"x","ph":"X","ts":1,"dur":2900000,"args":{"mnemonic":"Rootfs"}},
{"cat":"action processing","name":"Composing","ph":"X","ts":1,"dur":1000000,"args":{"mnemonic":"Rootfs"}},
{"cat":"action processing","name":"Compressing","ph":"X","ts":1,"dur":2000000,"args":{"mnemonic":"LayerGzip"}},
{"cat":"action processing","name":"a","ph":"X","ts":1,"dur":10,"args":{"mnemonic":"FileWrite"}}]}`
	p, err := parseProfile(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if p["Rootfs"] != 4*time.Second || p["LayerGzip"] != 2*time.Second {
		t.Errorf("got %v", p)
	}
	const want = "parts 6 s on 2 cores are 3 s, wall is 1.50x, Rootfs 4 s, LayerGzip 2 s"
	if got := p.note(4500*time.Millisecond, 2); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := parseProfile(strings.NewReader("{")); err == nil {
		t.Error("a cut profile is read")
	}
}
