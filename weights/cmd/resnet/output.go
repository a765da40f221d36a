package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// output is standard output or standard error. What is not printable reaches it quoted, whatever model files and file
// names contain, so that it does not command the terminal. Within JSON, too, the quoted form means the same.
type output struct {
	w   io.Writer
	err error // the first of w
}

func (o *output) Write(p []byte) (int, error) {
	if o.err == nil {
		_, o.err = io.WriteString(o.w, quote(string(p), "\n\t"))
	}
	if o.err != nil {
		return 0, o.err
	}
	return len(p), nil
}

// printable is s for one line of text.
func printable(s string) string { return quote(s, "") }

// quote writes what is not printable in s, except for what is in keep, as \u001b, and bytes that are no UTF-8 as \xff.
func quote(s, keep string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\r' && keep != "" && strings.HasPrefix(s[i:], "\r\n"): // how lines of CSV end
			b.WriteByte('\r')
		case unicode.IsGraphic(r) || joiner(r) || strings.ContainsRune(keep, r):
			b.WriteString(s[i : i+n])
		case r > 0xffff: // two halves, as in JSON
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// joiner reports whether r is one of the two characters without width that words of some scripts need.
func joiner(r rune) bool { return r == '\u200c' || r == '\u200d' }
