package smoke

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
)

// Load is HTTP load on a server in a network namespace.
type Load struct {
	URL         string // with an IP address
	Connections int
	Duration    time.Duration
	Body        string // what every answer must have, with status 200
}

// Run makes requests one after the other on each connection. One error, or no request at all, fails the test. It returns the requests per
// second.
func (l Load) Run(t testing.TB, n *imagerun.Network) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), l.Duration+10*time.Second)
	defer cancel()
	start := time.Now()
	counts, errs := make([]int, l.Connections), make([]error, l.Connections)
	var wait sync.WaitGroup
	for c := range l.Connections {
		wait.Go(func() {
			transport := n.Transport()
			defer transport.CloseIdleConnections()
			for errs[c] == nil && time.Since(start) < l.Duration {
				if errs[c] = l.request(ctx, transport); errs[c] == nil {
					counts[c]++
				}
			}
		})
	}
	wait.Wait()
	elapsed, total := time.Since(start), 0
	for _, count := range counts {
		total += count
		if count == 0 {
			errs = append(errs, errors.New("a connection had no answer"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("load on %s: %d answers, then %v", l.URL, total, err)
	}
	rate := float64(total) / elapsed.Seconds()
	t.Logf("load on %s: %d requests on %d connections in %.1f s without an error: %.0f/s", l.URL, total, l.Connections, elapsed.Seconds(), rate)
	return rate
}

func (l Load) request(ctx context.Context, transport http.RoundTripper) error {
	got, err := get(ctx, transport, l.URL)
	if err == nil && got != l.Body {
		return errors.New("an answer is not what it should be: " + got)
	}
	return err
}

// Get is the body of an answer with status 200 of a server in a network namespace, whose certificate, if any, CA signed.
func Get(ctx context.Context, n *imagerun.Network, url string) (string, error) {
	transport := n.Transport()
	transport.TLSClientConfig = ClientConfig()
	defer transport.CloseIdleConnections()
	return get(ctx, transport, url)
}

func get(ctx context.Context, transport http.RoundTripper, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status + ": " + string(body))
	}
	return string(body), err
}
