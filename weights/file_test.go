//go:build !js

package weights

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	model, page := filepath.Join(dir, "model"), filepath.Join(dir, "page")
	os.WriteFile(model, file(t, small()), 0o644)
	os.WriteFile(page, []byte("<html>"), 0o644)
	if m, err := ReadFile(model); err != nil || !reflect.DeepEqual(m, small()) {
		t.Errorf("the model differs from the one written: %v", err)
	}
	if _, err := ReadFile(page); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), page) {
		t.Errorf("a web page: got %v", err)
	}
	for _, path := range []string{dir, os.DevNull} {
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), "want a model file") {
			t.Errorf("%s: got %v", path, err)
		}
	}
}
