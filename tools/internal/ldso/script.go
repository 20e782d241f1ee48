package ldso

import "strings"

// ProgramDirs is where env and shells look for programs by default.
var ProgramDirs = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// EnvProgram returns the program that "#!/usr/bin/env ARGUMENT" runs, or "". The kernel passes all that follows the
// interpreter as one argument, which env(1) splits only after -S.
func EnvProgram(argument string) string {
	for _, field := range strings.Fields(argument) {
		if !strings.HasPrefix(field, "-") && !strings.Contains(field, "=") {
			return field
		}
	}
	return ""
}
