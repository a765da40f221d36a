//go:build !js

package weights

import (
	"fmt"
	"io"
	"os"

	"resnet-web/resnet"
)

// ReadFile reads the model file at path as Read does. Of a file that is no model file it reads only the first bytes.
//
// # Errors
//
// Those of Read and of the file system, with the path.
func ReadFile(path string) (*resnet.Model, error) {
	info, err := os.Stat(path) // before Open, which waits for the other end of a pipe
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("weights: %s: want a model file, this is a folder or a device", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer f.Close()
	head := make([]byte, min(info.Size(), 512))
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, fmt.Errorf("weights: %s: %w", path, err)
	}
	if err := sniff(head, int(info.Size())); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data[copy(data, head):]); err != nil {
		return nil, fmt.Errorf("weights: %s: %w", path, err)
	}
	m, err := Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}
