package pkgindex

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Paths on Linux are bytes, and JSON strings are Unicode. All files of this project that hold paths (index.json,
// selection.json, tree.json, report.json) follow one rule: U+FFFD, the replacement character, followed by two lower-case hex
// digits stands for the byte of that value. It is used for bytes that are not part of valid UTF-8, and for the three bytes of
// a U+FFFD in the text itself. All other text stands as it is, so that files without odd names have nothing unusual.
const escapeRune = "\uFFFD"

// EscapeBytes returns v ready for encoding/json, which would silently replace bytes that are not UTF-8: v itself when there is
// nothing to escape, otherwise a copy that shares nothing it had to change. v is any value made of structs, pointers, slices,
// string-keyed maps and scalars.
func EscapeBytes[T any](v T) T {
	rv := reflect.ValueOf(&v).Elem()
	if clean(rv) {
		return v
	}
	return escaped(rv).Interface().(T)
}

// UnescapeBytes undoes EscapeBytes in the value that v points to, after decoding. It refuses what EscapeBytes never writes;
// that includes JSON with bytes that are not UTF-8, for which the decoder puts U+FFFD.
func UnescapeBytes(v any) error { return unescape(reflect.ValueOf(v)) }

// plain reports whether s stands as it is.
func plain(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, escapeRune) }

// EscapeString is EscapeBytes for one string, for text that people read.
func EscapeString(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError {
			for _, c := range []byte(s[:n]) {
				fmt.Fprintf(&b, "%s%02x", escapeRune, c)
			}
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// UnescapeString undoes EscapeString.
func UnescapeString(s string) (string, error) {
	if !strings.Contains(s, escapeRune) {
		return s, nil
	}
	head, rest, found := strings.Cut(s, escapeRune)
	out := []byte(head)
	for found {
		var c [1]byte
		if len(rest) < 2 {
			return "", fmt.Errorf("string %q: U+FFFD without a byte value", s)
		}
		if _, err := hex.Decode(c[:], []byte(rest[:2])); err != nil {
			return "", fmt.Errorf("string %q: U+FFFD without a byte value", s)
		}
		out = append(out, c[0])
		head, rest, found = strings.Cut(rest[2:], escapeRune)
		out = append(out, head...)
	}
	if EscapeString(string(out)) != s { // two spellings of one path would be two paths for whoever compares text
		return "", fmt.Errorf("string %q: escapes what needs no escape", s)
	}
	return string(out), nil
}

// inJSON reports whether encoding/json writes a field.
func inJSON(f reflect.StructField) bool {
	return (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-"
}

// clean reports whether no string in v needs an escape.
func clean(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return plain(v.String())
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || clean(v.Elem())
	case reflect.Slice, reflect.Array:
		if k := v.Type().Elem().Kind(); k >= reflect.Bool && k <= reflect.Complex128 {
			return true
		}
		for i := range v.Len() {
			if !clean(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for m := v.MapRange(); m.Next(); {
			if !clean(m.Key()) || !clean(m.Value()) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if inJSON(v.Type().Field(i)) && !clean(v.Field(i)) {
				return false
			}
		}
	}
	return true
}

// escaped returns v, or a copy with escaped strings.
func escaped(v reflect.Value) reflect.Value {
	if clean(v) {
		return v
	}
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		out.SetString(EscapeString(v.String()))
	case reflect.Pointer:
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(escaped(v.Elem()))
	case reflect.Interface:
		out.Set(escaped(v.Elem()))
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			out.Index(i).Set(escaped(v.Index(i)))
		}
	case reflect.Map:
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for m := v.MapRange(); m.Next(); {
			out.SetMapIndex(escaped(m.Key()), escaped(m.Value()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if inJSON(v.Type().Field(i)) {
				out.Field(i).Set(escaped(v.Field(i)))
			}
		}
	}
	return out
}

// unescape changes what v points to.
func unescape(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		s, err := UnescapeString(v.String())
		if err != nil {
			return err
		}
		if s != v.String() {
			v.SetString(s)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return unescape(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		if k := v.Type().Elem().Kind(); k >= reflect.Bool && k <= reflect.Complex128 {
			return nil
		}
		for i := range v.Len() {
			if err := unescape(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		return unescapeMap(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if inJSON(v.Type().Field(i)) {
				if err := unescape(v.Field(i)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// unescapeMap replaces entries: neither keys nor values of a map can be changed in place.
func unescapeMap(v reflect.Value) error {
	if clean(v) {
		return nil
	}
	out := reflect.MakeMapWithSize(v.Type(), v.Len())
	for m := v.MapRange(); m.Next(); {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		key.Set(m.Key())
		value.Set(m.Value())
		if err := unescape(key); err != nil {
			return err
		}
		if err := unescape(value); err != nil {
			return err
		}
		out.SetMapIndex(key, value)
	}
	v.Set(out)
	return nil
}
