package checkpoint

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// What people take for a checkpoint and is none: each kind by its first bytes, with what to do.

const (
	toONNX    = "export the network to ONNX from there"
	unpackIt  = "unpack it and give the file that is in it"
	askServer = "check the address, and whether the file asks for a login or a licence"
)

// signatures are kinds of files by the bytes at a place.
var signatures = []struct {
	at              int
	magic, kind, do string
}{
	{0, "version https://git-lfs", "a Git LFS pointer, which stands for the file in a repository",
		"run git lfs pull, or download the file itself"},
	{0, "\x89HDF\r\n\x1a\n", "an HDF5 file (Keras .h5)", "export the network to ONNX with tf2onnx"},
	{4, "TFL3", "a TensorFlow Lite model", "export the network to ONNX with tf2onnx --tflite, in floating point"},
	{0, "\x1f\x8b", "packed with gzip", unpackIt},
	{0, "BZh", "packed with bzip2", unpackIt},
	{0, "\xfd7zXZ", "packed with xz", unpackIt},
	{0, "\x28\xb5\x2f\xfd", "packed with zstd", unpackIt},
	{0, "7z\xbc\xaf\x27\x1c", "packed with 7-Zip", unpackIt},
	{0, "Rar!", "packed with RAR", unpackIt},
	{0, "\x12\x01\x00\x00\x00\x00\x00\x00", "a file of MXNet's parameters", toONNX},
	{0, "\x04\x00\x00\x00\x01\x00\x00\x00", "a file of Lua Torch (.t7)", "read it with torchfile or PyTorch 0.4 " +
		"(load_lua), and save the state_dict"},
	{0, "\x93NUMPY", "a NumPy array", "save the state_dict with torch.save"},
	{0, "GGUF", "a GGUF file", "give the network's .safetensors"},
	{0, "MATLAB 5.0", "a MATLAB file (MatConvNet)", "convert it to a state_dict, then torch.save"},
	{0, "ptrt", "a TensorRT engine", "give the ONNX file that it was built from"},
	{0, "ftrt", "a TensorRT engine", "give the ONNX file that it was built from"},
	{0, "7767517", "a network of ncnn", "give the file that it was converted from"},
	{0, "\x89PNG", "a picture", "give the checkpoint before the pictures"},
	{0, "\xff\xd8\xff", "a picture", "give the checkpoint before the pictures"},
}

// unknown is the error for a file of another format that begins with head.
func unknown(head []byte, size int64) error {
	const want = "want .pth, .safetensors or .onnx, this is %s; %s"
	for _, s := range signatures {
		if len(head) > s.at && bytes.HasPrefix(head[s.at:], []byte(s.magic)) {
			return bad(want, s.kind, s.do)
		}
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(head), "\ufeff"))
	lower := strings.ToLower(text)
	switch {
	case size == 0:
		return bad("want a checkpoint, file is empty; download it again")
	case len(bytes.Trim(head, "\x00")) == 0:
		return bad("want a checkpoint, file begins with %d zeros; its download is not complete, download it again", len(head))
	case len(head) > 262 && string(head[257:262]) == "ustar":
		if strings.Contains(string(head[:100]), "sys_info") || strings.Contains(string(head[:100]), "storages") {
			return bad(want, "a tar, as torch.save wrote before version 0.2", "load it with torch.load and save it again "+
				"with torch.save")
		}
		return bad(want, "a tar", unpackIt)
	case len(head) > 1 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5:
		return bad(want, pickled(string(head)), "make a state_dict of tensors of it, then torch.save")
	case len(head) > 0 && (head[0] > 0x80 && head[0] <= 0x8f || head[0] == 0xde || head[0] == 0xdf):
		if bytes.Contains(head, []byte("\xa5magic")) {
			return bad("want .pth, .safetensors or .onnx, this is a model file, made of one already; give it with -model")
		}
		return bad(want, "a file of MessagePack (Flax)", "save the network from PyTorch, from_pretrained(…, from_flax=True)")
	case strings.HasPrefix(lower, "<?xml") || strings.HasPrefix(lower, "<error"):
		return bad(want, "XML, as servers answer with an error: "+quote(text), askServer)
	case strings.HasPrefix(lower, "<"):
		return bad(want, "an HTML page", askServer)
	case strings.HasPrefix(lower, "{") || strings.HasPrefix(lower, "["):
		return bad(want, "JSON, a configuration or a server's answer: "+quote(text),
			"give the weights that belong to it, or "+askServer)
	case utf8.Valid(head[:max(0, len(head)-3)]) && !bytes.ContainsAny(head, "\x00\x01\x02\x03\x04\x05"):
		return bad(want, "text: "+quote(text), askServer)
	case len(head) < 16:
		return bad("want a checkpoint, file has %d bytes; download it again", size)
	case head[0] == 0x0a:
		return bad(want, "a protocol buffer of another kind (a TensorFlow graph, a Caffe model)", toONNX)
	}
	return bad("want .pth, .safetensors or .onnx, file starts with % x; it is of no format known here, or damaged",
		head[:8])
}

// pickled says whose a pickle is that torch.save has not written.
func pickled(head string) string {
	switch {
	case strings.Contains(head, "StructuredToParameterName@@") || strings.Contains(head, "paddle"):
		return "a pickle of PaddlePaddle (.pdparams)"
	case strings.Contains(head, "__author__") || strings.Contains(head, "matching_heuristics"):
		return "a pickle of detectron2"
	case strings.Contains(head, "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"):
		return "written by torch.save with a pickle_protocol other than 2"
	case strings.Contains(head, "numpy"):
		return "a pickle of NumPy arrays, not of torch.save (PaddlePaddle's .pdparams, detectron2's .pkl)"
	}
	return "a pickle, but not one of torch.save"
}

// quote is the beginning of a text, on one line.
func quote(s string) string {
	words := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " "))
	if len(words) > 80 {
		return string(words[:80]) + "…"
	}
	return string(words)
}

// otherZip is the error for a zip that torch.save has not written, by the names of its entries; nil for one that it has.
func otherZip(names []string) error {
	const want = "want .pth, .safetensors or .onnx, this is %s; %s"
	has := func(f func(name string) bool) bool { return slices.ContainsFunc(names, f) }
	base := func(list ...string) func(string) bool {
		return func(name string) bool { return slices.Contains(list, path.Base(name)) }
	}
	ext := func(list ...string) func(string) bool {
		return func(name string) bool { return slices.Contains(list, path.Ext(name)) }
	}
	inCode := func(name string) bool { return strings.Contains(name, "/code/") && strings.HasSuffix(name, ".py") }
	switch {
	case has(base("constants.pkl")) && has(base("data.pkl")) || has(inCode):
		return bad(want, "TorchScript", "save its weights: torch.save(torch.jit.load(file).state_dict(), 'weights.pth')")
	case has(base("data.pkl")):
		return nil
	case has(base("archive_format")) || has(base("serialized_exported_program.json")):
		return bad(want, "of torch.export (.pt2)", "save its weights: torch.save(torch.export.load(file).state_dict, "+
			"'weights.pth')")
	case has(base("model.weights.h5")):
		return bad(want, "a network of Keras", "export it to ONNX with tf2onnx")
	case has(base("MANIFEST.json")):
		return bad(want, "an archive of TorchServe", unpackIt)
	case has(base("Manifest.json")):
		return bad(want, "a package of Core ML", toONNX)
	case has(ext(".npy")):
		return bad(want, "an archive of NumPy arrays (.npz)", "make a state_dict of tensors of it, then torch.save")
	case has(ext(".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".onnx", ".tar")):
		return bad(want, "a zip with a checkpoint in it", unpackIt)
	}
	return bad("want a zip with data.pkl, as torch.save writes, this one has %d other files; %s", len(names), unpackIt)
}
