package engine

import "unsafe"

// bytesOf is the memory of w, not a copy.
func bytesOf(w []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), len(w))
}
