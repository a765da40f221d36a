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

func TestNativeScales(t *testing.T) {
	for _, p := range scalePrograms {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%d/threads=%d", p.ImageSize(), threads), func(t *testing.T) {
				e, err := NativeWith(p, NativeOptions{Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				scaleBoth(t, p, e)
				refuse(t, p, e)
			})
		}
	}
}
