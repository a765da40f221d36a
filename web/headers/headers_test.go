package headers

import (
	"os"
	"strings"
	"testing"
)

func value(t *testing.T, fields []Field, name string) string {
	t.Helper()
	v, n := "", 0
	for _, f := range fields {
		if f.Name == name {
			v, n = f.Value, n+1
		}
	}
	if n != 1 {
		t.Fatalf("%s occurs %d times, want once", name, n)
	}
	return v
}

var anybody = Rules{Parents: []string{"*"}}

func TestPolicyForbidsInlineAndEval(t *testing.T) {
	for _, p := range []string{"/", "/index.html", "/worker.js", "/embed.html"} {
		csp := value(t, anybody.For(p), "Content-Security-Policy")
		for _, bad := range []string{"'unsafe-inline'", "'unsafe-eval'", "http:", "https:", " *"} {
			if strings.Contains(csp, bad) {
				t.Errorf("%s: policy contains %s: %s", p, bad, csp)
			}
		}
		if !strings.Contains(csp, "script-src 'self' 'wasm-unsafe-eval'") {
			t.Errorf("%s: policy does not let WebAssembly compile: %s", p, csp)
		}
		if framed := !strings.Contains(csp, "frame-ancestors"); framed != (p == "/embed.html") {
			t.Errorf("%s: framing by others allowed is %v", p, framed)
		}
	}
}

func TestCaching(t *testing.T) {
	for p, want := range map[string]string{
		"/resnet18-tiny200.1f0c9a3b.msgpack": forever,
		"/resnet.wasm":                       revalidate,
		"/":                                  revalidate,
		"/deadbeef.js":                       revalidate,
	} {
		if got := value(t, anybody.For(p), "Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", p, got, want)
		}
	}
}

func TestOtherHostsGetTheSame(t *testing.T) {
	files := []string{"/embed.html", "/index.html", "/m.1f0c9a3b.msgpack", "/offline.html"}
	var hosted, nginx strings.Builder
	if err := anybody.Hosted(&hosted, files); err != nil {
		t.Fatal(err)
	}
	if err := anybody.Nginx(&nginx); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, h := range anybody.For(f) {
			if !strings.Contains(hosted.String(), "  "+h.Name+": "+h.Value+"\n") {
				t.Errorf("_headers lacks %s: %s", h.Name, h.Value)
			}
			if h.Name != "Content-Type" && !strings.Contains(nginx.String(), `add_header `+h.Name+` "`+h.Value+`" always;`) {
				t.Errorf("nginx snippet lacks %s %q", h.Name, h.Value)
			}
		}
	}
	for _, p := range []string{"/", "/embed", "/offline"} {
		if !strings.Contains("\n"+hosted.String(), "\n"+p+"\n  Content-Type: text/html") {
			t.Errorf("_headers has no rule for %s", p)
		}
	}
}

func TestParents(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"parents": ["*"]}`, ""},
		{`{"parents": ["https://a.example", "*"]}`, ""},
		{`{}`, "; frame-ancestors 'self'"},
		{`{"parents": []}`, "; frame-ancestors 'self'"},
		{`{"parents": ["https://a.example", "http://localhost:8080", "http://[::1]:9"]}`, "; frame-ancestors 'self' https://a.example http://localhost:8080 http://[::1]:9"},
	} {
		r, err := ParseRules([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		if got := value(t, r.For("/embed.html"), "Content-Security-Policy"); got != policy+c.want {
			t.Errorf("%s: policy %q, want it to end with %q", c.text, got, c.want)
		}
		if got := value(t, r.For("/index.html"), "Content-Security-Policy"); got != policy+"; frame-ancestors 'self'" {
			t.Errorf("%s: the page may be framed: %q", c.text, got)
		}
	}
}

func TestParentsThatWouldBeMisread(t *testing.T) {
	for _, p := range []string{"", "a.example", "https://a.example/", "https://a.example/x", "https://A.example", "https://a.example:443", "http://a.example:80",
		"https://*.example", "https://a.example; script-src *", "https://a.example\n", "null", "data:", "https://u@a.example", "https://a.example?x", "https:// a", "'self'"} {
		if _, err := ParseRules([]byte(`{"parents": ["` + p + `"]}`)); err == nil {
			t.Errorf("%q is taken for an origin", p)
		}
	}
	for _, text := range []string{"", "[]", `{"parents": "*"}`, `{"parents": [1]}`} {
		if _, err := ParseRules([]byte(text)); err == nil {
			t.Errorf("%s is taken for rules", text)
		}
	}
}

func TestOfflinePageIsKeptNotOpened(t *testing.T) {
	if got := value(t, anybody.For("/offline.html"), "Content-Disposition"); !strings.HasPrefix(got, "attachment;") {
		t.Errorf("Content-Disposition %q", got)
	}
}

// A host that sends no headers still serves the page under the policy, by its meta element.
func TestPageCarriesThePolicy(t *testing.T) {
	page, err := os.ReadFile("../page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), `<meta http-equiv="Content-Security-Policy" content="`+policy+`">`) {
		t.Errorf("index.html lacks a meta element with %q", policy)
	}
}
