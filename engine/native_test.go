//go:build !js

package engine

import (
	"fmt"
	"testing"
)

func TestNativeEqualsReference(t *testing.T) {
	for i, s := range shapes() {
		for _, threads := range []int{1, 2, 3, 4} {
			if threads > 1 && i%3 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%v/threads=%d", s, threads), func(t *testing.T) {
				p := s.program(uint64(i))
				e, err := NativeWith(p, NativeOptions{Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				runBoth(t, p, e)
			})
		}
	}
}
