package engine

// Type is the element type of a tensor.
type Type uint8

const (
	U7  Type = iota // unsigned 7-bit activations, one byte each
	I16             // the 16-bit skip path: 64 steps per step of U7
	F32             // features and logits
)

// Size is the number of bytes of one element.
func (t Type) Size() int { return [...]int{1, 2, 4}[t] }

// Tensor is a place in the arena. Channels are last and padded with zeros to a multiple of 8 (the image: 4).
type Tensor struct {
	Type    Type
	H, W, C int // C with padding
	Offset  int // bytes from the start of the arena
}

// Bytes is the size of the tensor in the arena.
func (t Tensor) Bytes() int { return t.H * t.W * t.C * t.Type.Size() }

// Executor runs one program. It is not safe for concurrent use.
type Executor interface {
	// Run takes the quantised image, as Program.Quantise makes it, through every op.
	Run(image []byte) error
	// Read copies a tensor of the program out of the arena; dst has t.Bytes() bytes.
	// Tensors that the program keeps (Last, Features, Logits) are valid after Run.
	Read(t Tensor, dst []byte) error
	// Close frees what the executor holds.
	Close() error
}
