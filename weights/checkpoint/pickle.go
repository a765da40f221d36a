package checkpoint

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"strconv"
)

// Python's pickle is a program for a stack machine that may call anything. This one knows what torch.save writes for a
// dictionary of tensors, and no more: the opcodes below, and the constructors in reduce. Nothing is looked up, imported
// or called by a name in the file.

// Values of the machine: nil, bool, int64, float64, string, tuple, *list, *dict, global, storage, *view.
type (
	tuple  []any
	list   []any // always by pointer, as Python's may grow after they were stored
	global string
	dict   struct{ keys, values []any }
)

// storage is a stretch of elements that a persistent id names.
type storage struct {
	key   string
	dtype dtype
	numel int64
	root  int64 // first element, in the storage called key; a view of the legacy format starts behind 0
}

// view is a tensor whose storage has no place in the file yet.
type view struct {
	tensor
	storage storage
	offset  int64 // in elements from the start of the storage
}

var storages = map[global]dtype{
	"torch.HalfStorage": float16, "torch.BFloat16Storage": bfloat16, "torch.FloatStorage": float32_, "torch.DoubleStorage": float64_,
	"torch.LongStorage": {"int64", 8, nil}, "torch.IntStorage": {"int32", 4, nil}, "torch.ShortStorage": {"int16", 2, nil},
	"torch.CharStorage": {"int8", 1, nil}, "torch.ByteStorage": {"uint8", 1, nil}, "torch.BoolStorage": {"bool", 1, nil},
}

// known holds the other names that a pickle may mention. A dtype is a value that nothing here reads.
var known = map[global]bool{
	"collections.OrderedDict": true, "torch.Size": true,
	"torch._utils._rebuild_tensor": true, "torch._utils._rebuild_tensor_v2": true, "torch._utils._rebuild_parameter": true,
	"torch.float16": true, "torch.bfloat16": true, "torch.float32": true, "torch.float64": true, "torch.int64": true,
}

const (
	maxPickle = 64 << 20 // bytes of a pickle without its tensors; resnet1202's has 2 MB
	maxString = 64 << 10 // bytes of a name
	maxMemo   = 1 << 20  // entries; resnet1202's has 150,000
	maxStack  = 1 << 16  // values; SETITEMS comes every 1000 items
)

// unpickler runs one pickle after another from a stream.
type unpickler struct {
	r     *bufio.Reader
	n     int64 // bytes read
	left  int64 // bytes that may still be read
	stack []any
	marks []int
	memo  map[int]any
	pairs int64          // copied from lists into dictionaries
	sizes map[string]int // bytes of an element, by storage
	err   error
}

func newUnpickler(r io.Reader, size int64) *unpickler {
	return &unpickler{r: bufio.NewReaderSize(r, 4096), left: min(size, maxPickle), sizes: map[string]int{}}
}

func (u *unpickler) fail(format string, args ...any) {
	if u.err == nil {
		u.err = bad("pickle, byte "+strconv.FormatInt(u.n, 10)+": "+format, args...)
	}
}

// bytes reads n bytes; after an error it returns zeros, at most 16.
func (u *unpickler) bytes(n int64) []byte {
	switch {
	case u.err != nil:
	case n < 0 || n > u.left:
		u.fail("want %d more bytes, there are %d; the file is cut short or longer than a dictionary of tensors", n, u.left)
	case n > maxString:
		u.fail("text of %d bytes, want at most %d", n, maxString)
	default:
		b := make([]byte, n)
		if _, err := io.ReadFull(u.r, b); err != nil {
			u.fail("%v", err)
			break
		}
		u.n, u.left = u.n+n, u.left-n
		return b
	}
	return make([]byte, min(max(n, 0), 16))
}

func (u *unpickler) byte() byte     { return u.bytes(1)[0] }
func (u *unpickler) uint32() uint32 { return binary.LittleEndian.Uint32(u.bytes(4)) }

// line reads to the next newline.
func (u *unpickler) line() string {
	var s []byte
	for u.err == nil {
		b := u.byte()
		if b == '\n' {
			break
		}
		if s = append(s, b); len(s) > 256 {
			u.fail("a name longer than 256 bytes")
		}
	}
	return string(s)
}

func (u *unpickler) push(v any) {
	if len(u.stack) >= maxStack {
		u.fail("more than %d values on the stack", maxStack)
		return
	}
	u.stack = append(u.stack, v)
}

func (u *unpickler) pop() any {
	floor := 0
	if len(u.marks) > 0 {
		floor = u.marks[len(u.marks)-1]
	}
	if len(u.stack) <= floor {
		u.fail("an operation lacks its operand")
		return nil
	}
	v := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return v
}

func (u *unpickler) top() any {
	v := u.pop()
	u.push(v)
	return v
}

// popMark takes all values above the last mark.
func (u *unpickler) popMark() []any {
	if len(u.marks) == 0 {
		u.fail("an operation lacks its mark")
		return nil
	}
	at := u.marks[len(u.marks)-1]
	u.marks = u.marks[:len(u.marks)-1]
	v := append([]any(nil), u.stack[at:]...)
	u.stack = u.stack[:at]
	return v
}

func (u *unpickler) put(i int) {
	if i < 0 || i >= maxMemo {
		u.fail("memo %d, want less than %d", i, maxMemo)
		return
	}
	u.memo[i] = u.top()
}

func (u *unpickler) get(i int) {
	v, ok := u.memo[i]
	if !ok {
		u.fail("memo %d is empty", i)
	}
	u.push(v)
}

func (u *unpickler) set(d any, pairs []any) {
	to, ok := d.(*dict)
	if !ok || len(pairs)%2 != 0 {
		u.fail("want pairs for a dictionary, file has %d values for %s", len(pairs), kind(d))
		return
	}
	for i := 0; i < len(pairs); i += 2 {
		to.keys, to.values = append(to.keys, pairs[i]), append(to.values, pairs[i+1])
	}
}

func (u *unpickler) extend(l any, items []any) {
	to, ok := l.(*list)
	if !ok {
		u.fail("want a list to append to, file has %s", kind(l))
		return
	}
	*to = append(*to, items...)
}

func (u *unpickler) global(name global) {
	if _, ok := storages[name]; !ok && !known[name] {
		u.fail("it wants to run %s, which a dictionary of tensors does not need; save model.state_dict() alone", strconv.Quote(string(name)))
	}
	u.push(name)
}

// load runs the program up to its STOP and returns its result.
func (u *unpickler) load() (any, error) {
	u.stack, u.marks, u.memo = u.stack[:0], u.marks[:0], map[int]any{}
	for u.err == nil {
		switch op := u.byte(); op {
		case 0x80: // PROTO
			if v := u.byte(); v < 2 || v > 5 {
				u.fail("protocol %d, want 2 to 5", v)
			}
		case 0x95: // FRAME
			u.bytes(8)
		case '.': // STOP
			return u.pop(), u.err
		case '(':
			if len(u.marks) >= 256 {
				u.fail("nested deeper than 256")
			}
			u.marks = append(u.marks, len(u.stack))
		case '0':
			u.pop()
		case 'N':
			u.push(nil)
		case 0x88, 0x89: // NEWTRUE, NEWFALSE
			u.push(op == 0x88)
		case 'J':
			u.push(int64(int32(u.uint32())))
		case 'K':
			u.push(int64(u.byte()))
		case 'M':
			u.push(int64(binary.LittleEndian.Uint16(u.bytes(2))))
		case 0x8a: // LONG1
			n := u.byte()
			if n > 8 {
				u.fail("a number of %d bytes, want at most 8", n)
				break
			}
			var b [8]byte
			copy(b[:], u.bytes(int64(n)))
			v := int64(binary.LittleEndian.Uint64(b[:]))
			if n > 0 && n < 8 { // extend the sign
				shift := 64 - 8*uint(n)
				v = v << shift >> shift
			}
			u.push(v)
		case 'G':
			u.push(math.Float64frombits(binary.BigEndian.Uint64(u.bytes(8))))
		case 'X', 'T', 'B': // BINUNICODE, BINSTRING, BINBYTES
			u.push(string(u.bytes(int64(u.uint32()))))
		case 0x8c, 'U', 'C': // the same with one byte of length
			u.push(string(u.bytes(int64(u.byte()))))
		case 0x8d: // BINUNICODE8
			u.push(string(u.bytes(int64(binary.LittleEndian.Uint64(u.bytes(8))))))
		case ')':
			u.push(tuple{})
		case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
			t := make(tuple, op-0x84)
			for i := len(t) - 1; i >= 0; i-- {
				t[i] = u.pop()
			}
			u.push(t)
		case 't':
			u.push(tuple(u.popMark()))
		case ']':
			u.push(&list{})
		case 'l':
			l := list(u.popMark())
			u.push(&l)
		case 'a':
			v := u.pop()
			u.extend(u.top(), []any{v})
		case 'e':
			v := u.popMark()
			u.extend(u.top(), v)
		case '}':
			u.push(&dict{})
		case 'd':
			v, d := u.popMark(), &dict{}
			u.set(d, v)
			u.push(d)
		case 's':
			v, k := u.pop(), u.pop()
			u.set(u.top(), []any{k, v})
		case 'u':
			v := u.popMark()
			u.set(u.top(), v)
		case 'q':
			u.put(int(u.byte()))
		case 'r':
			u.put(int(u.uint32()))
		case 0x94: // MEMOIZE
			u.put(len(u.memo))
		case 'h':
			u.get(int(u.byte()))
		case 'j':
			u.get(int(u.uint32()))
		case 'c':
			module := u.line()
			u.global(global(module + "." + u.line()))
		case 0x93: // STACK_GLOBAL
			name, _ := u.pop().(string)
			module, _ := u.pop().(string)
			u.global(global(module + "." + name))
		case 'Q':
			u.push(u.persistent(u.pop()))
		case 'R':
			args, f := u.pop(), u.pop()
			u.push(u.reduce(f, args))
		case 'b': // BUILD: attributes of an OrderedDict (_metadata), which nothing here reads
			u.pop()
			if _, ok := u.top().(*dict); !ok {
				u.fail("want attributes of a dictionary, file has them for %s", kind(u.top()))
			}
		default:
			if u.err == nil {
				u.fail("opcode 0x%02x, which a dictionary of tensors does not need; save model.state_dict() alone", op)
			}
		}
	}
	return nil, u.err
}

// persistent is the storage that an id names: ("storage", class, key, device, elements), in the legacy format with a
// sixth item, nil or a view (key, first element, elements).
func (u *unpickler) persistent(id any) any {
	t, _ := id.(tuple)
	if len(t) != 5 && len(t) != 6 {
		u.fail("want the id of a storage, file has %s", kind(id))
		return nil
	}
	class, _ := t[1].(global)
	s := storage{}
	var ok [4]bool
	s.dtype, ok[0] = storages[class]
	s.key, ok[1] = t[2].(string)
	s.numel, ok[2] = t[4].(int64)
	ok[3] = t[0] == "storage"
	if ok != [4]bool{true, true, true, true} || s.numel < 0 {
		u.fail("want the id of a storage, file has one of %q", class)
		return nil
	}
	if each, seen := u.sizes[s.key]; seen && each != s.dtype.size {
		u.fail("storage %q has elements of %d and of %d bytes", s.key, each, s.dtype.size)
	}
	u.sizes[s.key] = s.dtype.size
	if len(t) == 6 && t[5] != nil {
		v, _ := t[5].(tuple)
		if len(v) != 3 {
			u.fail("want the view of storage %q, file has %s", s.key, kind(t[5]))
			return nil
		}
		first, ok1 := v[1].(int64)
		n, ok2 := v[2].(int64)
		if !ok1 || !ok2 || first < 0 || n < 0 || first > s.numel || n > s.numel-first {
			u.fail("a view outside storage %q of %d elements", s.key, s.numel)
			return nil
		}
		s.root, s.numel = first, n
	}
	return s
}

// reduce is the call f(*args) of a known constructor.
func (u *unpickler) reduce(f, args any) any {
	name, _ := f.(global)
	a, _ := args.(tuple)
	switch name {
	case "collections.OrderedDict":
		d := &dict{}
		if len(a) == 1 { // a list of pairs
			items, _ := a[0].(*list)
			if items == nil {
				break
			}
			// A few bytes name a list again, each time to be copied. A pair that is there takes five.
			if u.pairs += int64(len(*items)); u.pairs > u.n/5 {
				u.fail("%d pairs for dictionaries in %d bytes; a list is copied many times", u.pairs, u.n)
				return nil
			}
			for _, item := range *items {
				pair := pairOf(item)
				if len(pair) != 2 {
					u.fail("want pairs in an OrderedDict, file has %s", kind(item))
					return nil
				}
				u.set(d, pair)
			}
		}
		return d
	case "torch.Size":
		if len(a) == 1 {
			return a[0]
		}
	case "torch._utils._rebuild_parameter":
		if len(a) >= 1 {
			if v, ok := a[0].(*view); ok {
				return v
			}
		}
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
		if len(a) < 4 {
			break
		}
		v := &view{}
		var ok [4]bool
		v.storage, ok[0] = a[0].(storage)
		v.offset, ok[1] = a[1].(int64)
		for _, x := range a[2:4] {
			if t, _ := x.(tuple); len(t) > maxDims {
				u.fail("want at most %d dimensions, file has %d", maxDims, len(t))
				return nil
			}
		}
		v.shape, ok[2] = intTuple(a[2])
		v.stride, ok[3] = intTuple(a[3])
		if ok == [4]bool{true, true, true, true} {
			v.dtype = v.storage.dtype
			return v
		}
	}
	u.fail("want a constructor of tensors with its arguments, file has %s of %d", kind(f), len(a))
	return nil
}

func pairOf(v any) []any {
	switch v := v.(type) {
	case tuple:
		return v
	case *list:
		return *v
	}
	return nil
}

// intTuple is a tuple of numbers, never nil.
func intTuple(v any) ([]int, bool) {
	t, ok := v.(tuple)
	n := make([]int, len(t))
	for i, x := range t {
		k, isInt := x.(int64)
		n[i], ok = int(k), ok && isInt
	}
	return n, ok
}

// kind says what a value is, for messages.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a truth value"
	case int64, float64:
		return "a number"
	case string:
		return "a text"
	case tuple:
		return "a tuple of " + strconv.Itoa(len(v))
	case *list:
		return "a list"
	case *dict:
		return "a dictionary"
	case global:
		return strconv.Quote(string(v))
	case storage:
		return "a storage"
	}
	return "a tensor"
}

// flatten lists the tensors in v, a dictionary of tensors and dictionaries, by dotted names. The pickle's size bounds the
// work, as a short one may hold one dictionary many times over.
func flatten(v any, size int64) ([]*view, error) {
	var out []*view
	budget := 4*size + 1024 // bytes of names
	var walk func(name string, v any, depth int) error
	walk = func(name string, v any, depth int) error {
		switch v := v.(type) {
		case *view:
			t := *v
			t.name = name
			out = append(out, &t)
		case *dict:
			for i, k := range v.keys {
				if budget--; budget < 0 {
					return bad("pickle: more names than %d bytes hold", size)
				}
				key, ok := k.(string)
				if !ok || depth == 8 {
					continue // an optimiser's state goes by numbers; no state_dict is wrapped so deep
				}
				if name != "" {
					key = name + "." + key
				}
				budget -= int64(len(key)) + 16
				if err := walk(key, v.values[i], depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return out, walk("", v, 0)
}
