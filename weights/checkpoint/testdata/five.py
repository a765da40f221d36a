"""Makes one network of torchvision with seeded parameters in four formats, and what it answers:

    python3 five.py resnet50v1 FOLDER

writes FOLDER/net.pth, net.safetensors, net.onnx, folded.onnx (batch normalisations folded by the exporter) and
logits.json for the picture sin(0.37·i), 224×224. A suffix v1 puts the strides where the paper has them. Needs
python3-torch and python3-torchvision.
"""
import json
import os
import struct
import sys

import torch
import torchvision

arch, folder = sys.argv[1:]
path = lambda name: os.path.join(folder, name)
torch.manual_seed(0)
net = getattr(torchvision.models, arch.removesuffix("v1"))(weights=None).eval()
if arch.endswith("v1"):
    for b in net.modules():
        if hasattr(b, "conv3") and b.downsample is not None:
            b.conv1.stride, b.conv2.stride = b.conv2.stride, (1, 1)
state = net.state_dict()
last = ".bn2.weight" if arch in ("resnet18", "resnet34") else ".bn3.weight"
for k, t in state.items():
    if not t.is_floating_point():
        continue
    if k.endswith("running_var") or "bn" in k and k.endswith("weight"):
        t.uniform_(0.5, 1)
    elif "bn" in k or k.endswith("running_mean"):
        t.normal_(0, 0.1)
    if last in k:
        t.mul_(0.3)  # or the sum over many blocks grows

torch.save(state, path("net.pth"))

header, at = {}, 0
for k, t in state.items():
    n = t.numel() * t.element_size()
    header[k] = {"dtype": {torch.float32: "F32", torch.int64: "I64"}[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + n]}
    at += n
head = json.dumps(header).encode()
with open(path("net.safetensors"), "wb") as f:
    f.write(struct.pack("<Q", len(head)) + head)
    for t in state.values():
        f.write(t.contiguous().numpy().tobytes())

for name, mode in (("net.onnx", torch.onnx.TrainingMode.PRESERVE), ("folded.onnx", torch.onnx.TrainingMode.EVAL)):
    torch.onnx.export(net, torch.zeros(1, 3, 224, 224), path(name), training=mode, opset_version=13)

x = torch.sin(0.37 * torch.arange(3 * 224 * 224, dtype=torch.float64)).float().reshape(1, 3, 224, 224)
with torch.no_grad(), open(path("logits.json"), "w") as f:
    json.dump(net(x)[0].tolist(), f)
