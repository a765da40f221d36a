package headers

import (
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

func TestPolicyForbidsInlineAndEval(t *testing.T) {
	for _, p := range []string{"/", "/index.html", "/worker.js", "/embed.html"} {
		csp := value(t, For(p), "Content-Security-Policy")
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
		if got := value(t, For(p), "Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", p, got, want)
		}
	}
}

func TestOtherHostsGetTheSame(t *testing.T) {
	files := []string{"/embed.html", "/index.html", "/m.1f0c9a3b.msgpack"}
	var hosted, nginx strings.Builder
	if err := Hosted(&hosted, files); err != nil {
		t.Fatal(err)
	}
	if err := Nginx(&nginx); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, h := range For(f) {
			if !strings.Contains(hosted.String(), "  "+h.Name+": "+h.Value+"\n") {
				t.Errorf("_headers lacks %s: %s", h.Name, h.Value)
			}
			if h.Name != "Content-Type" && !strings.Contains(nginx.String(), `add_header `+h.Name+` "`+h.Value+`" always;`) {
				t.Errorf("nginx snippet lacks %s %q", h.Name, h.Value)
			}
		}
	}
	if !strings.Contains(hosted.String(), "\n/\n  Content-Type: text/html") {
		t.Error("_headers has no rule for the root")
	}
}
