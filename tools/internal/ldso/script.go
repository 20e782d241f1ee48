package ldso

import "strings"

// ProgramDirs is where env and shells look for programs by default.
var ProgramDirs = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// envOptions are the short options of env(1) that take a value, and so are the long ones.
const envOptions = "uCSa"

var envLongOptions = map[string]bool{"unset": true, "chdir": true, "split-string": true, "argv0": true}

// EnvProgram returns the program that "#!/usr/bin/env ARGUMENT" runs, or "" if it runs none. The kernel passes all that follows the
// interpreter as one argument; env splits it only after -S, so without it the whole argument is the name, and a script
// that says "env python3 -u" cannot run. What it means is plain enough: the first word.
func EnvProgram(argument string) string {
	words := splitString(argument)
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch long, isLong := strings.CutPrefix(word, "--"); {
		case word == "-" || word == "--":
		case isLong:
			name, value, given := strings.Cut(long, "=")
			switch {
			case name == "split-string" && given:
				words = append(words[:i+1:i+1], append(splitString(value), words[i+1:]...)...)
			case envLongOptions[name] && name != "split-string" && !given:
				i++
			}
		case strings.HasPrefix(word, "-"):
			// A value may follow its option in the same word. That of -S begins the program and its arguments.
			at := strings.IndexAny(word, envOptions)
			switch {
			case at < 0:
			case word[at] == 'S':
				words = append(words[:i+1:i+1], append(splitString(word[at+1:]), words[i+1:]...)...)
			case at == len(word)-1:
				i++
			}
		case strings.Contains(word, "="):
		default:
			return word
		}
	}
	return ""
}

// splitString splits as -S does, as far as the name of a program needs it: at white space outside of quotes, with escapes.
func splitString(s string) []string {
	var out []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		ch := s[i]
		switch {
		case ch == '\\' && i+1 < len(s) && quote != '\'':
			i++
			if s[i] == '_' || s[i] == 't' || s[i] == 'n' {
				ch = ' '
			} else {
				ch = s[i]
			}
			if ch != ' ' || quote != 0 {
				word.WriteByte(ch)
				inWord = true
				continue
			}
			fallthrough
		case quote == 0 && (ch == ' ' || ch == '\t' || ch == '\n'):
			if inWord {
				out = append(out, word.String())
			}
			word.Reset()
			inWord = false
		case quote == ch:
			quote = 0
		case quote == 0 && (ch == '"' || ch == '\''):
			quote, inWord = ch, true
		default:
			word.WriteByte(ch)
			inWord = true
		}
	}
	if inWord {
		out = append(out, word.String())
	}
	return out
}
