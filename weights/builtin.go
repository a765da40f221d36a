//go:build !js

package weights

import _ "embed"

// Builtin is the built-in model file, as Read takes it. A browser fetches it instead.
//
//go:embed resnet18-tiny200.msgpack
var Builtin []byte
