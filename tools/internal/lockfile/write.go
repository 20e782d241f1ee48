package lockfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// Write encodes l: one field per line, lists of names on one line, so that a change of one package changes a few lines of
// one block. Equal values give equal bytes.
func Write(w io.Writer, l *Lock) error {
	var p printer
	p.value(reflect.ValueOf(l).Elem(), "")
	p.buf.WriteByte('\n')
	if p.err != nil {
		return fmt.Errorf("writing lock of %s: %w", l.Release, p.err)
	}
	_, err := w.Write(p.buf.Bytes())
	return err
}

// printer writes JSON in the layout of lock files, which encoding/json cannot give.
type printer struct {
	buf bytes.Buffer
	err error
}

const indentStep = "  "

func (p *printer) value(v reflect.Value, indent string) {
	switch v.Kind() {
	case reflect.Pointer:
		p.value(v.Elem(), indent)
	case reflect.Struct:
		p.structure(v, indent)
	case reflect.Map:
		p.mapping(v, indent)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			p.strings(v)
			return
		}
		p.block(v.Len(), indent, '[', ']', func(i int, indent string) { p.value(v.Index(i), indent) })
	default:
		p.scalar(v.Interface())
	}
}

func (p *printer) structure(v reflect.Value, indent string) {
	type field struct {
		name  string
		value reflect.Value
	}
	var fields []field
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if options == "omitempty" && v.Field(i).IsZero() {
			continue
		}
		fields = append(fields, field{name, v.Field(i)})
	}
	p.block(len(fields), indent, '{', '}', func(i int, indent string) {
		p.scalar(fields[i].name)
		p.buf.WriteString(": ")
		p.value(fields[i].value, indent)
	})
}

func (p *printer) mapping(v reflect.Value, indent string) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	p.block(len(keys), indent, '{', '}', func(i int, indent string) {
		p.scalar(keys[i].String())
		p.buf.WriteString(": ")
		p.value(v.MapIndex(keys[i]), indent)
	})
}

// block writes n elements, each on lines of its own.
func (p *printer) block(n int, indent string, open, shut byte, element func(i int, indent string)) {
	p.buf.WriteByte(open)
	for i := range n {
		if i > 0 {
			p.buf.WriteByte(',')
		}
		p.buf.WriteString("\n" + indent + indentStep)
		element(i, indent+indentStep)
	}
	if n > 0 {
		p.buf.WriteString("\n" + indent)
	}
	p.buf.WriteByte(shut)
}

func (p *printer) strings(v reflect.Value) {
	p.buf.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			p.buf.WriteString(", ")
		}
		p.scalar(v.Index(i).String())
	}
	p.buf.WriteByte(']')
}

func (p *printer) scalar(v any) {
	enc := json.NewEncoder(&p.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil && p.err == nil {
		p.err = err
	}
	p.buf.Truncate(p.buf.Len() - 1) // the newline of Encode
}
