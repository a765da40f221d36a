// Package headers says which HTTP headers each file of dist/ is served with.
//
// It is the only place that says so: the server in web/serve sends what [Rules.For] returns, and the build writes the same
// rules as files for other hosts, [Rules.Hosted] for those that read a _headers file and [Rules.Nginx] for nginx. The page
// works without any of these headers; with them it is cross-origin isolated, so the network runs on several threads.
package headers

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Field is one header.
type Field struct{ Name, Value string }

// policy is the Content-Security-Policy of everything except embed.html. It allows no inline script or style, no eval
// except for compiling WebAssembly, and nothing from another origin: the page can reach only its own host.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; " +
	"img-src 'self' blob: data:; media-src blob:; style-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'"

// common goes with every response, errors included.
var common = []Field{
	{"Content-Security-Policy", policy + "; frame-ancestors 'self'"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Embedder-Policy", "require-corp"},
	// Public files without credentials: any site may import the module and frame embed.html, isolated ones too.
	{"Cross-Origin-Resource-Policy", "cross-origin"},
	{"Access-Control-Allow-Origin", "*"},
	{"Permissions-Policy", "camera=(self), microphone=(), geolocation=()"},
	{"Referrer-Policy", "no-referrer"},
	{"X-Content-Type-Options", "nosniff"},
}

// embed is made to be framed by other sites. offline is a file to save: opened here, its inline script would be forbidden.
const (
	embed   = "/embed.html"
	offline = "/offline.html"
)

// Rules are what an owner may choose. They lie in dist/ as [RulesFile], which embed.html reads as well.
type Rules struct {
	// Parents are the origins that may frame embed.html beside its own: as browsers write them, https://example.org or
	// http://localhost:8080, or "*" for any.
	Parents []string `json:"parents"`
}

// RulesFile is the name of the JSON file of [Rules].
const RulesFile = "embed.json"

// ParseRules reads the text of a [RulesFile].
func ParseRules(text []byte) (Rules, error) {
	var r Rules
	if err := json.Unmarshal(text, &r); err != nil {
		return Rules{}, fmt.Errorf(`headers: %s: want {"parents": ["https://example.org"]}: %w`, RulesFile, err)
	}
	return r, r.check()
}

// check refuses what the comparison of origins in embed.html, or a browser, would read otherwise than meant.
func (r Rules) check() error {
	for _, p := range r.Parents {
		if p == "*" {
			continue
		}
		u, err := url.Parse(p)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || p != u.Scheme+"://"+u.Host || p != strings.ToLower(p) ||
			!hostname.MatchString(u.Host) ||
			(u.Scheme == "https" && u.Port() == "443") || (u.Scheme == "http" && u.Port() == "80") {
			return fmt.Errorf("headers: %s: want origins such as https://example.org, in lower case, without a path or a default port, or *; got %q", RulesFile, p)
		}
	}
	return nil
}

var hostname = regexp.MustCompile(`^([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?$`)

// ancestors is the frame-ancestors directive of embed.html, "" where anybody may frame it.
func (r Rules) ancestors() string {
	if slices.Contains(r.Parents, "*") {
		return ""
	}
	return strings.Join(append([]string{"; frame-ancestors 'self'"}, r.Parents...), " ")
}

// types are the files that dist/ may hold. A host that guesses differently breaks wasm streaming or module workers.
var types = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".mjs":         "text/javascript; charset=utf-8",
	".msgpack":     "application/vnd.msgpack",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".ts":          "text/plain; charset=utf-8",
	".txt":         "text/plain; charset=utf-8",
	".wasm":        "application/wasm",
	".webmanifest": "application/manifest+json",
}

// hashed matches a name that carries a hash of its content, as the build gives to models: resnet18.1f0c9a3b.msgpack.
var hashed = regexp.MustCompile(`\.[0-9a-f]{8}\.[a-z]+$`)

const (
	forever    = "public, max-age=31536000, immutable"
	revalidate = "no-cache"
)

// Type is the media type of a file by its name; unknown ones are application/octet-stream.
func Type(name string) string {
	if t := types[path.Ext(name)]; t != "" {
		return t
	}
	return "application/octet-stream"
}

// For returns the headers of the file at a URL path such as "/resnet.wasm", media type and caching included.
func (r Rules) For(urlPath string) []Field {
	cache := revalidate
	if hashed.MatchString(urlPath) {
		cache = forever
	}
	fields := append([]Field{{"Content-Type", Type(urlPath)}, {"Cache-Control", cache}}, r.Common(urlPath)...)
	if urlPath == offline {
		fields = append(fields, Field{"Content-Disposition", "attachment; filename=resnet-web.html"})
	}
	return fields
}

// Common returns the headers that go with any answer for a URL path, an error too.
func (r Rules) Common(urlPath string) []Field {
	fields := append([]Field(nil), common...)
	if urlPath == embed {
		fields[0].Value = policy + r.ancestors()
	}
	return fields
}

// Hosted writes the rules in the _headers format that static hosts read.
//
// Such hosts join the values of all matching rules, so each header stands under exactly one rule that matches a path;
// files are the URL paths of dist/, in order. Some of these hosts call a page /embed that lies in embed.html, so each page
// has its rule under both names.
func (r Rules) Hosted(w io.Writer, files []string) error {
	var b strings.Builder
	for _, f := range files {
		names := []string{f}
		if page, ok := strings.CutSuffix(f, ".html"); ok {
			names = append(names, strings.TrimSuffix(page, "index"))
		}
		for _, name := range names {
			fmt.Fprintf(&b, "%s\n", name)
			for _, h := range r.For(f) {
				fmt.Fprintf(&b, "  %s: %s\n", h.Name, h.Value)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Nginx writes the rules as the inside of an nginx server block.
func (r Rules) Nginx(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Include this in a server block whose root is this folder.\n")
	b.WriteString("types {\n")
	for _, ext := range slices.Sorted(maps.Keys(types)) {
		media, _, _ := strings.Cut(types[ext], ";")
		fmt.Fprintf(&b, "    %s %s;\n", media, ext[1:])
	}
	b.WriteString("}\ncharset utf-8;\ncharset_types text/css text/javascript text/plain;\ngzip_static on;\n")
	location := func(match, urlPath string) {
		fmt.Fprintf(&b, "location %s {\n", match)
		for _, h := range r.For(urlPath) {
			if h.Name != "Content-Type" {
				fmt.Fprintf(&b, "    add_header %s %q always;\n", h.Name, h.Value)
			}
		}
		b.WriteString("}\n")
	}
	location("/", "/")
	location("= "+embed, embed)
	location("= "+offline, offline)
	location(fmt.Sprintf("~ %q", hashed), "/model.00000000.msgpack")
	_, err := io.WriteString(w, b.String())
	return err
}
