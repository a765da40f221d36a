package checkpoint

func (c *Checkpoint) readONNX(size int64) error { return bad("ONNX") }
