package resnet

import "errors"

// Sentinels for what a user's picture or options can get wrong. They come wrapped, with the details.
var (
	ErrDecode   = errors.New("image cannot be decoded")
	ErrTooLarge = errors.New("image is too large")
	ErrOption   = errors.New("bad option")
)

// Code is the stable code of err in the outside interface: "image-decode", "image-too-large", "bad-option", or "" for an
// error that wraps none of this package's sentinels.
func Code(err error) string {
	switch {
	case errors.Is(err, ErrTooLarge):
		return "image-too-large"
	case errors.Is(err, ErrDecode):
		return "image-decode"
	case errors.Is(err, ErrOption):
		return "bad-option"
	}
	return ""
}
