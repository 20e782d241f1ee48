package imagerun

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Exec runs a further process in the container of a running one, with its environment and capabilities, and waits for its end.
func (r *Running) Exec(timeout time.Duration, args ...string) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	started, name := time.Now(), strings.Join(args, " ")
	cmd := r.image.runc(append([]string{"exec", r.id}, args...)...)
	var stdout, stderr stream
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, 5*time.Second
	if err := cmd.Start(); err != nil {
		return Result{}, fmt.Errorf("running runc exec: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	result := Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(started)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result, fmt.Errorf("%s did not end within %s\n%s", name, timeout, result.Output())
	case err != nil && !errors.As(err, &exit):
		return result, fmt.Errorf("running runc exec for %s: %w\n%s", name, err, result.Output())
	case stdout.cut() || stderr.cut():
		return result, fmt.Errorf("%s wrote more than %d bytes", name, maxOutputBytes)
	}
	return result, nil
}
