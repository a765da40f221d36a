#!/usr/bin/env python3
"""Writes the fixtures beside this file: small seeded ResNets in every format that package checkpoint reads.

Needs torch, torchvision and onnx; run it as python3 make.py. Values are rounded to bfloat16 and float16 first, so that
every element type holds the same numbers. golden.json has torch's logits for the picture rgb[i] = sin(0.37·i).
"""
import collections, json, os, struct

import onnx
import onnx.numpy_helper
import torch
from torch import nn
import torch.nn.functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = 5


class Block(nn.Module):
    def __init__(self, cin, width, out, stride, bottleneck, v1, pad):
        super().__init__()
        if bottleneck:
            shapes = [(cin, width, 1, stride if v1 else 1), (width, width, 3, 1 if v1 else stride), (width, out, 1, 1)]
        else:
            shapes = [(cin, out, 3, stride), (out, out, 3, 1)]
        self.depth, self.pad, self.grow = len(shapes), pad, out - cin
        for i, (a, b, k, s) in enumerate(shapes, 1):
            setattr(self, f"conv{i}", nn.Conv2d(a, b, k, s, k // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(b))
        if not pad and (stride > 1 or cin != out):
            self.downsample = nn.Sequential(nn.Conv2d(cin, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.depth:
                y = F.relu(y)
        if hasattr(self, "downsample"):
            x = self.downsample(x)
        elif self.grow:
            before = self.grow // 2 if self.pad == "split" else 0
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, before, self.grow - before))
        return F.relu(y + x)


class Net(nn.Module):
    """A ResNet with torchvision's names; pad is "", "append" or "split", tail another way to write the same ending."""

    def __init__(self, width, blocks, bottleneck=False, v1=False, pad="", tail=""):
        super().__init__()
        self.tail = tail
        cifar = len(blocks) == 3
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False) if cifar else nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.Identity() if cifar else nn.MaxPool2d(3, 2, 1)
        cin, self.stages = width, len(blocks)
        for s, count in enumerate(blocks):
            planes = width << s
            out, layers = planes * (4 if bottleneck else 1), []
            for i in range(count):
                layers.append(Block(cin, planes, out, 2 if i == 0 and s > 0 else 1, bottleneck, v1, pad))
                cin = out
            setattr(self, f"layer{s + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(cin, CLASSES)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        if self.tail == "mean":
            return x.mean((2, 3)) @ self.fc.weight.t() + self.fc.bias
        if self.tail == "pool":
            return F.softmax(self.fc(F.avg_pool2d(x, int(x.shape[-1])).view(x.shape[0], -1)), 1)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Narrow(ResNet):
    """torchvision's ResNet with 2 channels in its stem; small gives it the stem that small pictures want."""

    def __init__(self, block, layers, small=False, channels=3):
        nn.Module.__init__(self)
        self._norm_layer, self.inplanes, self.dilation, self.groups, self.base_width = nn.BatchNorm2d, 2, 1, 1, 64
        self.conv1 = nn.Conv2d(channels, 2, 7, 2, 3, bias=False)
        self.bn1, self.relu, self.maxpool = nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        if small:
            self.conv1, self.maxpool = nn.Conv2d(channels, 2, 3, 1, 1, bias=False), nn.Identity()
        for s, count in enumerate(layers):
            setattr(self, f"layer{s + 1}", self._make_layer(block, 2 << s, count, stride=min(s + 1, 2)))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16 * block.expansion, CLASSES)


class Grey(nn.Module):
    """A network of grey pictures that normalises them itself."""

    def __init__(self, net):
        super().__init__()
        self.model = net
        self.register_buffer("mean", torch.tensor([0.5]))
        self.register_buffer("std", torch.tensor([0.25]))

    def forward(self, x):
        return self.model((x - self.mean) / self.std)


def seeded(net, seed):
    """Random parameters and statistics, exact in bfloat16 and in float16."""
    torch.manual_seed(seed)
    for name, t in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            t.fill_(7)
        elif name.endswith("running_var") or "bn" in name and name.endswith("weight"):
            t.uniform_(0.5, 1.5)
        elif t.dim() == 4:
            t.normal_(0, (2 / t[0].numel()) ** 0.5)
        else:
            t.normal_(0, 0.2)
        if t.is_floating_point():
            t.copy_(t.bfloat16().half().float())
    return net.eval()


def path(name):
    return os.path.join(HERE, name)


def save_safetensors(name, state):
    """The format by hand: a length, a JSON header, the bytes."""
    kinds = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64"}
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for key, t in state.items():
        raw = (t.view(torch.int16) if t.dtype == torch.bfloat16 else t).contiguous().numpy().tobytes()
        header[key] = {"dtype": kinds[t.dtype], "shape": list(t.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path(name), "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + body)


def hugging_face(name):
    """Hugging Face's name for one of torchvision's."""
    part = name.split(".")
    kind = {"conv": "convolution", "bn": "normalization"}
    if part[0] in ("conv1", "bn1"):
        return "resnet.embedder.embedder." + kind[part[0][:-1]] + "." + part[1]
    if part[0] == "fc":
        return "classifier.1." + part[1]
    block = f"resnet.encoder.stages.{int(part[0][5:]) - 1}.layers.{part[1]}."
    if part[2] == "downsample":
        return block + "shortcut." + ("convolution", "normalization")[int(part[3])] + "." + part[4]
    return block + f"layer.{int(part[2][-1]) - 1}.{kind[part[2][:-1]]}.{part[3]}"


def kuangliu(name):
    """The name in pytorch-cifar of kuangliu, in parallel on several devices."""
    return "module." + name.replace("downsample", "shortcut").replace("fc.", "linear.")


def weiaicunzai(name):
    """The name in pytorch-cifar100 of weiaicunzai."""
    part = name.split(".")
    if part[0] in ("conv1", "bn1"):
        return "conv1." + ("0." if part[0] == "conv1" else "1.") + part[1]
    if part[0] == "fc":
        return name
    block = f"conv{int(part[0][5:]) + 1}_x.{part[1]}."
    if part[2] == "downsample":
        return block + "shortcut." + ".".join(part[3:])
    return block + f"residual_function.{3 * int(part[2][-1]) - (3 if part[2].startswith('conv') else 2)}.{part[3]}"


def export(net, name, size, fold, channels=3):
    mode = torch.onnx.TrainingMode.EVAL if fold else torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(net, torch.zeros(1, channels, size, size), path(name), training=mode, do_constant_folding=True,
                      opset_version=13, input_names=["input"], output_names=["logits"])


def cast(state, dtype):
    return collections.OrderedDict((k, v.to(dtype) if v.is_floating_point() else v) for k, v in state.items())


basic = seeded(Net(2, [2, 2, 2, 2]), 1)
bottleneck = seeded(Net(2, [3, 4, 6, 3], bottleneck=True), 2)
v1 = seeded(Net(2, [3, 4, 6, 3], bottleneck=True, v1=True), 2)
append = seeded(Net(4, [1, 1, 1], pad="append"), 3)
split = seeded(Net(4, [1, 1, 1], pad="split"), 3)

state = basic.state_dict()
torch.save(state, path("basic.pth"))
torch.save(state, path("basic-legacy.pth"), _use_new_zipfile_serialization=False)
module = collections.OrderedDict(("module." + k, v) for k, v in state.items())
other = collections.OrderedDict((k, v + 1 if v.is_floating_point() else v) for k, v in module.items())
torch.save({"epoch": 3, "best": 0.5, "state_dict": module, "arch": "resnet18"}, path("basic-wrapped.pth"))
torch.save({"model": other, "model_ema": module, "optimizer": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.1}]}}, path("basic-ema.pth"))
torch.save(dict(basic.named_parameters(), **dict(basic.named_buffers())), path("basic-parameters.pth"))
strided = collections.OrderedDict((k, v.to(memory_format=torch.channels_last) if v.dim() == 4 else v) for k, v in state.items())
torch.save(strided, path("basic-strided.pth"))
for dtype in ("float16", "bfloat16", "float64"):
    torch.save(cast(state, getattr(torch, dtype)), path(f"basic-{dtype}.pth"))
    save_safetensors(f"basic-{dtype}.safetensors", cast(state, getattr(torch, dtype)))
save_safetensors("basic.safetensors", state)
save_safetensors("basic-hf.safetensors", {hugging_face(k): v for k, v in state.items()})
torch.save(bottleneck.state_dict(), path("bottleneck.pth"))
save_safetensors("bottleneck-hf.safetensors", {hugging_face(k): v for k, v in bottleneck.state_dict().items()})
torch.save(append.state_dict(), path("cifar.pth"))
for fold in (False, True):
    export(basic, "basic-folded.onnx" if fold else "basic.onnx", 64, fold)
export(bottleneck, "bottleneck.onnx", 64, False)
export(v1, "bottleneck-v1.onnx", 64, False)
export(append, "cifar-append.onnx", 32, False)
export(split, "cifar-split.onnx", 32, True)

# 3 zero channels do not split into halves.
odd = seeded(Net(3, [1, 1, 1], pad="split"), 4)
torch.save(odd.state_dict(), path("cifar-odd.pth"))
export(odd, "cifar-odd.onnx", 32, True)

for tail in ("mean", "pool"):
    export(seeded(Net(4, [1, 1, 1], pad="append", tail=tail), 3), f"cifar-{tail}.onnx", 32, False)

# The same again with every second initialiser in float16, and none as raw bytes.
model = onnx.load(path("cifar-append.onnx"))
for i, t in enumerate(model.graph.initializer):
    kind = onnx.TensorProto.FLOAT16 if i % 2 else onnx.TensorProto.FLOAT
    t.CopyFrom(onnx.helper.make_tensor(t.name, kind, t.dims, onnx.numpy_helper.to_array(t).flatten().tolist()))
onnx.save(model, path("cifar-data.onnx"))

# The near family. As float16, so that the files are small.
near = {
    "resnet10": Narrow(BasicBlock, [1, 1, 1, 1]),
    "resnet14": Narrow(Bottleneck, [1, 1, 1, 1]),
    "resnet26": Narrow(Bottleneck, [2, 2, 2, 2]),
    "small": Narrow(BasicBlock, [1, 1, 1, 1], small=True),
    "small-bottleneck": Narrow(Bottleneck, [1, 1, 1, 1], small=True),
    "cifar-projection": Net(4, [1, 1, 1]),
    "cifar-bottleneck": Net(2, [1, 1, 1], bottleneck=True),
}
near = {name: seeded(net, 10 + i) for i, (name, net) in enumerate(near.items())}
spelling = {"small": kuangliu, "small-bottleneck": weiaicunzai}
for name, net in near.items():
    to = spelling.get(name, str)
    save_safetensors(name + ".safetensors", {to(k): v for k, v in cast(net.state_dict(), torch.float16).items()})
    if name in ("small", "cifar-projection", "cifar-bottleneck"):
        export(net, name + ".onnx", 32, name != "cifar-projection")
grey = Grey(seeded(Narrow(BasicBlock, [1, 1, 1, 1], channels=1), 20)).eval()
save_safetensors("grey.safetensors", cast(grey.state_dict(), torch.float16))
export(grey, "grey.onnx", 64, True, channels=1)

golden = {}
nets = [("basic", basic, 64), ("bottleneck", bottleneck, 64), ("bottleneck-v1", v1, 64), ("cifar-append", append, 32),
        ("cifar-split", split, 32), ("grey", grey.model, 64)]
for name, net, size in nets + [(name, net, 64 if name.startswith("resnet") else 32) for name, net in near.items()]:
    rgb = torch.sin(0.37 * torch.arange(3 * size * size, dtype=torch.float64)).float().reshape(1, 3, size, size)
    if name == "grey":  # as Pillow makes it
        rgb = (rgb * torch.tensor([19595, 38470, 7471])[:, None, None]).sum(1, keepdim=True) / 65536
    with torch.no_grad():
        golden[name] = {"size": size, "logits": net(rgb)[0].tolist()}
with open(path("golden.json"), "w") as f:
    json.dump(golden, f, indent=1)
    f.write("\n")


def heads():
    """Writes head-*.* and heads.json: narrow CIFAR networks with each kind of head, and their logits in float64."""
    torch.manual_seed(5)
    golden = {}

    def body(head=None):
        net = Net(2, [1, 1, 1], pad="split")  # 8 features
        net.fc = head or nn.Linear(8, CLASSES)
        return net

    def seed_head(net):
        seeded(net, 6)
        for layer in net.modules():
            if isinstance(layer, (nn.Linear, nn.BatchNorm1d)) or isinstance(layer, nn.Conv2d) and layer.bias is not None:
                if layer.weight is not None:
                    layer.weight.data = torch.randn(layer.weight.shape) * (1 if layer.weight.dim() < 2 else layer.weight[0].numel() ** -0.5)
                if layer.bias is not None:
                    layer.bias.data = torch.randn(layer.bias.shape) * 0.3
        return net.eval()

    def judge(file, net, hidden=(), multi=False, out=lambda y: y):
        rgb = torch.sin(0.37 * torch.arange(3 * 32 * 32, dtype=torch.float64)).reshape(1, 3, 32, 32)
        with torch.no_grad():
            logits = out(net.double()(rgb))[0].tolist()
        net.float()
        golden[file] = {"logits": logits, "hidden": list(hidden), "multi": multi}

    def tensors(file, net, hidden=(), extra={}, multi=False):
        state = {**net.state_dict(), **extra}
        if file.endswith(".pth"):
            torch.save(state, path(file))
        else:  # which sorts names
            save_safetensors(file, dict(sorted(state.items())))
        judge(file, net, hidden, multi)

    def graph(file, net, hidden=(), multi=False, out=lambda y: y, fold=False):
        export(net, file, 32, fold)
        judge(file, net, hidden, multi, out)

    seq = nn.Sequential
    mlp = lambda: seq(nn.Linear(8, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, CLASSES))
    normed = lambda: seq(nn.Dropout(), nn.Linear(8, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, CLASSES))
    tensors("head-mlp.pth", seed_head(body(mlp())), (7, 6))
    graph("head-mlp.onnx", seed_head(body(mlp())), (7, 6))
    tensors("head-norm.safetensors", seed_head(body(normed())), (8,))
    graph("head-norm.onnx", seed_head(body(normed())), (8,))

    # As fastai's with an average alone: the normalisation is behind the ReLU.
    net = body()
    layers = seq(net.conv1, net.bn1, nn.ReLU(), net.layer1, net.layer2, net.layer3)
    fastai = seed_head(seq(layers, seq(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 8, bias=False),
                                       nn.ReLU(), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, CLASSES, bias=False))))
    tensors("head-fastai.safetensors", fastai, (8,))
    graph("head-fastai.onnx", fastai, (8,))

    # A network around a whole ResNet: two layers, and nothing between.
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.resnet, self.fc = body(nn.Linear(8, 10)), nn.Linear(10, 3)

        def forward(self, x):
            return self.fc(self.resnet(x))

    tensors("head-around.safetensors", seed_head(Around()))
    tensors("head-sequential.pth", seed_head(seq(body(nn.Linear(8, 10)), nn.ReLU(), nn.Linear(10, 3))), (10,))
    graph("head-around.onnx", seed_head(Around()))

    # Names without numbers, sorted into another order.
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = body(nn.Identity())
            self.hidden, self.norm, self.classifier = nn.Linear(8, 6), nn.BatchNorm1d(6, affine=False), nn.Linear(6, CLASSES)

        def forward(self, x):
            return self.classifier(F.relu(self.norm(self.hidden(self.backbone(x)))))

    tensors("head-named.safetensors", seed_head(Named()), (6,))
    tensors("head-adjacent.safetensors", seed_head(body(seq(nn.BatchNorm1d(8), nn.Linear(8, 6), nn.Linear(6, 4)))))
    # Two layers that would make a matrix far larger than both.
    tensors("head-narrow.safetensors", seed_head(body(seq(nn.Linear(8, 1), nn.Linear(1, 40)))), (2,))
    class Map(nn.Module):
        def forward(self, x):
            return x[:, :, None, None]

    convolutions = lambda: seq(Map(), nn.Conv2d(8, 6, 1), nn.ReLU(), nn.Conv2d(6, CLASSES, 1), nn.Flatten())
    tensors("head-conv.safetensors", seed_head(body(convolutions())), (6,))
    graph("head-conv.onnx", seed_head(body(convolutions())), (6,), fold=True)

    # Classes that do not exclude each other.
    tensors("head-multi.pth", seed_head(body()), extra={"criterion.pos_weight": torch.ones(CLASSES)}, multi=True)
    graph("head-multi.onnx", seed_head(seq(body(mlp()), nn.Sigmoid())), (7, 6), multi=True, out=torch.logit)

    with open(path("heads.json"), "w") as f:
        json.dump(golden, f, indent=1)
        f.write("\n")


heads()
