// Program look tells the name of the host, whether a file is there, and the namespaces that it is in. With an argument it first gives the
// host this name and makes the file, and then waits to be entered. The smoke test binds it into the image.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

const file = "/tmp/of-the-target"

func main() {
	if len(os.Args) > 1 {
		must(syscall.Sethostname([]byte(os.Args[1])))
		must(os.WriteFile(file, nil, 0o644))
	}
	name, err := os.Hostname()
	must(err)
	var spaces []string
	for _, kind := range []string{"ipc", "mnt", "net", "pid", "uts"} {
		space, err := os.Readlink("/proc/self/ns/" + kind)
		must(err)
		spaces = append(spaces, space)
	}
	_, err = os.Stat(file)
	fmt.Println(name, err == nil, strings.Join(spaces, " "))
	if len(os.Args) > 1 {
		time.Sleep(time.Hour)
	}
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
