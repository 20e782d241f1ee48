// Probe is a static program that needs of an image what such programs need: certificates, time zones, accounts, a place for
// temporary files.
//
//	probe look     says what it found of them
//	probe get URL  prints what a server answers
package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/user"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "look":
		return look()
	case len(args) == 2 && args[0] == "get":
		return get(args[1])
	}
	return fmt.Errorf("arguments are %q, want: look | get URL", args)
}

func look() error {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return err
	}
	if pool.Equal(x509.NewCertPool()) {
		return fmt.Errorf("the certificate pool is empty")
	}
	fmt.Println("certificates: loaded")

	// TZ of the environment, and by name: both read the image's database, for this program has none of its own.
	fmt.Println("time:", time.Unix(1785801600, 0).Format("2006-01-02 15:04 MST"))
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		return err
	}
	fmt.Println("elsewhere:", time.Unix(1785801600, 0).In(zone).Format("15:04 MST"))

	account, err := user.Current()
	if err != nil {
		return err
	}
	group, err := user.LookupGroupId(account.Gid)
	if err != nil {
		return err
	}
	fmt.Printf("user: %s %s:%s %s %s\n", account.Username, account.Uid, account.Gid, group.Name, account.HomeDir)

	file, err := os.CreateTemp("", "probe-")
	if err != nil {
		return err
	}
	if _, err := file.WriteString("temporary"); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	data, err := os.ReadFile(file.Name())
	if err != nil {
		return err
	}
	fmt.Println("file:", string(data))
	return os.Remove(file.Name())
}

func get(url string) error {
	answer, err := (&http.Client{Timeout: 20 * time.Second}).Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}
