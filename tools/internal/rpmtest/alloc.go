package rpmtest

import (
	"runtime/metrics"
	"testing"
)

// MaxFuzzAlloc is what a parser may allocate in all for one input of a fuzz test, garbage included. Inputs are small, so more
// can only come from lengths that the parser believed.
const MaxFuzzAlloc = 100 << 20

// BoundAllocs runs f and fails the test if it allocated more than limit bytes. Nothing else may run beside it.
func BoundAllocs(t testing.TB, limit uint64, f func()) {
	t.Helper()
	before := allocated()
	f()
	if n := allocated() - before; n > limit {
		t.Errorf("%d bytes allocated, allowed are %d", n, limit)
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
