// Package wasmasm assembles small WebAssembly modules: functions, structured control, SIMD, relaxed SIMD and atomics.
//
// It exists because Go's compiler cannot emit the instructions the engine lives on. It is an assembler and not a
// compiler: one method call is one instruction, in the order of the binary format, and nothing is checked beyond label
// depth; the WebAssembly validator of whoever loads the module has the last word.
//
// Source: WebAssembly Core Specification 3.0, chapter "Binary Format"; Threads proposal for the 0xFE opcodes.
package wasmasm

import (
	"encoding/binary"
	"math"
)

// Type is a value type, by its byte in the binary format.
type Type byte

const (
	I32  Type = 0x7f
	I64  Type = 0x7e
	F32  Type = 0x7d
	F64  Type = 0x7c
	V128 Type = 0x7b
)

// Numbers of the binary format: section ids, in the order in which sections stand in a module; kinds of imports and
// exports; flags of a memory's limits; and tags of types.
const (
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionTable    = 4
	sectionMemory   = 5
	sectionExport   = 7
	sectionElement  = 9
	sectionCode     = 10

	kindFunc   = 0
	kindMemory = 2

	limitsMin       = 0
	limitsMaxShared = 3 // a maximum, and shared

	typeFunc  = 0x60
	typeRef   = 0x70 // a reference to a function
	typeEmpty = 0x40 // of a block without results
)

// Module collects functions around one imported memory and one function table.
type Module struct {
	types   [][]byte
	memory  []byte // import entry
	own     []byte // definition of an exported memory
	ownName string
	funcs   []*Func
	table   []*Func
}

// ImportMemory makes the module use the memory that the importer passes as module.name, of at least min pages of
// 64 KiB. A shared memory also has a maximum, max; max is ignored otherwise.
func (m *Module) ImportMemory(module, name string, min, max uint32, shared bool) {
	m.memory = append(append(append(str(module), str(name)...), kindMemory), limits(min, max, shared)...)
}

// ExportMemory makes the module define its memory and export it as name.
func (m *Module) ExportMemory(name string, min, max uint32, shared bool) {
	m.own, m.ownName = limits(min, max, shared), name
}

func limits(min, max uint32, shared bool) []byte {
	if shared {
		return append(append([]byte{limitsMaxShared}, uleb(uint64(min))...), uleb(uint64(max))...)
	}
	return append([]byte{limitsMin}, uleb(uint64(min))...)
}

// Func adds a function; name is its export name, or "" for none.
func (m *Module) Func(name string, params, results []Type) *Func {
	f := &Func{m: m, name: name, index: uint32(len(m.funcs)), params: params, typ: m.typ(params, results)}
	m.funcs = append(m.funcs, f)
	return f
}

// Table appends f to the function table and returns its place, for CallIndirect.
func (m *Module) Table(f *Func) uint32 {
	m.table = append(m.table, f)
	return uint32(len(m.table) - 1)
}

func (m *Module) typ(params, results []Type) uint32 {
	b := []byte{typeFunc}
	for _, list := range [][]Type{params, results} {
		b = append(b, uleb(uint64(len(list)))...)
		for _, t := range list {
			b = append(b, byte(t))
		}
	}
	for i, t := range m.types {
		if string(t) == string(b) {
			return uint32(i)
		}
	}
	m.types = append(m.types, b)
	return uint32(len(m.types) - 1)
}

// Bytes encodes the module.
func (m *Module) Bytes() []byte {
	var funcs, exports, codes [][]byte
	for _, f := range m.funcs {
		if f.depth != 0 {
			panic("wasmasm: unbalanced block in " + f.name)
		}
		funcs = append(funcs, uleb(uint64(f.typ)))
		if f.name != "" {
			exports = append(exports, append(append(str(f.name), kindFunc), uleb(uint64(f.index))...))
		}
		codes = append(codes, f.bytes())
	}
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0} // magic and version
	out = section(out, sectionType, vec(m.types))
	if m.memory != nil {
		out = section(out, sectionImport, vec([][]byte{m.memory}))
	}
	out = section(out, sectionFunction, vec(funcs))
	if n := uint64(len(m.table)); n > 0 {
		out = section(out, sectionTable, append([]byte{1, typeRef, limitsMin}, uleb(n)...))
	}
	if m.own != nil {
		out = section(out, sectionMemory, vec([][]byte{m.own}))
		exports = append(exports, append(str(m.ownName), kindMemory, 0))
	}
	out = section(out, sectionExport, vec(exports))
	if len(m.table) > 0 {
		var refs [][]byte
		for _, f := range m.table {
			refs = append(refs, uleb(uint64(f.index)))
		}
		// One segment, at place 0 of table 0.
		out = section(out, sectionElement, append([]byte{1, 0, opI32Const, 0, opEnd}, vec(refs)...))
	}
	return section(out, sectionCode, vec(codes))
}

// Local names a parameter or local variable of a function.
type Local uint32

// Label names an enclosing block, loop or if, as a target of branches.
type Label int

// Func is a function under construction.
type Func struct {
	m      *Module
	name   string
	index  uint32
	typ    uint32
	params []Type
	locals []Type
	code   []byte
	depth  int
}

// Param is the i-th parameter.
func (f *Func) Param(i int) Local { return Local(i) }

// Local adds a variable, zero at entry.
func (f *Func) Local(t Type) Local {
	f.locals = append(f.locals, t)
	return Local(len(f.params) + len(f.locals) - 1)
}

// Locals adds n variables.
func (f *Func) Locals(n int, t Type) []Local {
	list := make([]Local, n)
	for i := range list {
		list[i] = f.Local(t)
	}
	return list
}

func (f *Func) bytes() []byte {
	var groups [][]byte
	for i := 0; i < len(f.locals); {
		j := i
		for j < len(f.locals) && f.locals[j] == f.locals[i] {
			j++
		}
		groups = append(groups, append(uleb(uint64(j-i)), byte(f.locals[i])))
		i = j
	}
	body := append(vec(groups), f.code...)
	body = append(body, opEnd)
	return append(uleb(uint64(len(body))), body...)
}

// Emitters call these methods thousands of times: inlined, they would double the size of a program that links them.

// Op emits instructions without immediates.
//
//go:noinline
func (f *Func) Op(ops ...Op) {
	for _, o := range ops {
		f.op(o)
	}
}

func (f *Func) op(o Op) {
	if p := byte(o >> 16); p != 0 {
		f.code = append(append(f.code, p), uleb(uint64(o&0xffff))...)
	} else {
		f.code = append(f.code, byte(o))
	}
}

// Mem emits a load or store with a constant offset; the alignment hint is that of a byte, so that any address is fine,
// except for atomics, whose alignment must be their width: 4 bytes.
func (f *Func) Mem(o Op, offset uint32) {
	f.op(o)
	align := byte(0)
	if o>>16 == atomicPrefix {
		align = 2
	}
	f.code = append(append(f.code, align), uleb(uint64(offset))...)
}

// MemLane emits a load or store of one lane.
func (f *Func) MemLane(o Op, offset uint32, lane byte) {
	f.Mem(o, offset)
	f.code = append(f.code, lane)
}

// Lane emits an extract_lane or replace_lane.
func (f *Func) Lane(o Op, lane byte) {
	f.op(o)
	f.code = append(f.code, lane)
}

// Shuffle emits i8x16.shuffle.
func (f *Func) Shuffle(lanes [16]byte) {
	f.op(I8x16Shuffle)
	f.code = append(f.code, lanes[:]...)
}

// Fence emits atomic.fence.
//
//go:noinline
func (f *Func) Fence() { f.op(AtomicFence); f.code = append(f.code, 0) }

// Get, Set and Tee emit local.get, local.set and local.tee.
//
//go:noinline
func (f *Func) Get(list ...Local) {
	for _, l := range list {
		f.code = append(append(f.code, opLocalGet), uleb(uint64(l))...)
	}
}

//go:noinline
func (f *Func) Set(l Local) { f.code = append(append(f.code, opLocalSet), uleb(uint64(l))...) }

//go:noinline
func (f *Func) Tee(l Local) { f.code = append(append(f.code, opLocalTee), uleb(uint64(l))...) }

// I32 emits i32.const.
//
//go:noinline
func (f *Func) I32(v int32) { f.code = append(append(f.code, opI32Const), sleb(int64(v))...) }

// I64 emits i64.const.
func (f *Func) I64(v int64) { f.code = append(append(f.code, opI64Const), sleb(v)...) }

// F32 emits f32.const.
func (f *Func) F32(v float32) {
	f.code = binary.LittleEndian.AppendUint32(append(f.code, opF32Const), math.Float32bits(v))
}

// V128 emits v128.const of 16 bytes.
func (f *Func) V128(v [16]byte) {
	f.op(v128Const)
	f.code = append(f.code, v[:]...)
}

// V128I32 emits v128.const with the value in all four lanes.
func (f *Func) V128I32(v uint32) {
	var b [16]byte
	for i := 0; i < 16; i += 4 {
		binary.LittleEndian.PutUint32(b[i:], v)
	}
	f.V128(b)
}

// Block emits block … end; a branch to its label leaves it.
func (f *Func) Block(body func(Label)) { f.block(opBlock, body) }

// Loop emits loop … end; a branch to its label goes on with the next round.
func (f *Func) Loop(body func(Label)) { f.block(opLoop, body) }

// If emits if … end over the condition on the stack.
func (f *Func) If(body func()) { f.block(opIf, func(Label) { body() }) }

// IfElse emits if … else … end.
func (f *Func) IfElse(then, other func()) {
	f.block(opIf, func(Label) { then(); f.code = append(f.code, opElse); other() })
}

func (f *Func) block(op byte, body func(Label)) {
	f.code = append(f.code, op, typeEmpty)
	f.depth++
	body(Label(f.depth))
	f.depth--
	f.code = append(f.code, opEnd)
}

// Br and BrIf branch to a label.
//
//go:noinline
func (f *Func) Br(l Label) { f.code = append(append(f.code, opBr), uleb(uint64(f.depth-int(l)))...) }

//go:noinline
func (f *Func) BrIf(l Label) {
	f.code = append(append(f.code, opBrIf), uleb(uint64(f.depth-int(l)))...)
}

// Return emits return.
func (f *Func) Return() { f.code = append(f.code, opReturn) }

// Call calls g.
//
//go:noinline
func (f *Func) Call(g *Func) { f.code = append(append(f.code, opCall), uleb(uint64(g.index))...) }

// CallIndirect calls the function of the table whose place is on the stack, with the type of like.
func (f *Func) CallIndirect(like *Func) {
	f.code = append(append(append(f.code, opCallIndirect), uleb(uint64(like.typ))...), 0)
}

// AddConst adds a constant to an i32 local.
//
//go:noinline
func (f *Func) AddConst(l Local, v int32) {
	f.Get(l)
	f.I32(v)
	f.Op(I32Add)
	f.Set(l)
}

func section(out []byte, id byte, body []byte) []byte {
	out = append(append(out, id), uleb(uint64(len(body)))...)
	return append(out, body...)
}

func vec(items [][]byte) []byte {
	b := uleb(uint64(len(items)))
	for _, it := range items {
		b = append(b, it...)
	}
	return b
}

func str(s string) []byte { return append(uleb(uint64(len(s))), s...) }

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func sleb(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
