#!/usr/bin/env python3
"""Makes logits.json: what PyTorch and torchvision compute with the parameters and images of resnet.Random.

    python3 logits.py > logits.json

Needs torch, torchvision and numpy (made with torch 1.13, torchvision 0.14). The parameters are drawn as the comment of
Random in ../float.go says. Each batch normalisation is the folded one: scale 1, mean 0, variance 1, shift = bias.
"""
import json

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet


class Stream:
    def __init__(self, seed):
        self.seed, self.i = seed, 0

    def draw(self, shape, bound):
        n = int(np.prod(shape))
        k = np.arange(self.i + 1, self.i + n + 1, dtype=np.uint64)
        self.i += n
        with np.errstate(over='ignore'):
            z = np.uint64(self.seed) + k * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
        u = (z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1
        return torch.from_numpy((u * bound).astype(np.float32).reshape(shape))

    def pair(self, shape, v, bias):
        w = self.draw(shape, np.sqrt(3 * v / float(np.prod(shape[1:]))))
        return w, self.draw(shape[:1], bias)


def image(size, seed):
    return Stream(seed).draw((1, 3, size, size), 2.0)


class Means(dict):
    """Mean absolute value of each activation, in Go's order."""

    def see(self, name, t):
        self[name] = float(t.double().abs().mean())


def torchvision_net(block, layers, classes, seed, size, v1=False, small=False, hidden=()):
    net = ResNet(block, layers, num_classes=classes).eval()
    if small:
        net.conv1, net.maxpool = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False), torch.nn.Identity()
    head, inputs = [], net.fc.in_features
    for outputs in hidden:
        head += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        inputs = outputs
    net.fc = torch.nn.Sequential(*head, torch.nn.Linear(inputs, classes))
    s, blocks, means = Stream(seed), sum(layers), Means()

    def load(conv, bn, v, bias):
        w, b = s.pair(conv.weight.shape, v, bias)
        conv.weight.data, bn.bias.data = w, b
        bn.eps = 0.0

    def see(name, relu):
        return lambda _, __, out: means.see(name, F.relu(out) if relu else out)

    load(net.conv1, net.bn1, 2, 0.1)
    net.bn1.register_forward_hook(see('conv1', True))
    for l in range(1, 5):
        for i, b in enumerate(getattr(net, f'layer{l}')):
            name = f'layer{l}.{i}'
            n = 3 if block is Bottleneck else 2
            if v1 and b.downsample is not None:
                b.conv1.stride, b.conv2.stride = b.conv2.stride, (1, 1)
            for k in range(1, n + 1):
                bn = getattr(b, f'bn{k}')
                load(getattr(b, f'conv{k}'), bn, *((2, 0.1) if k < n else (1 / blocks, 0.1 / blocks)))
                if k < n:
                    bn.register_forward_hook(see(f'{name}.conv{k}', True))
            if b.downsample is not None:
                load(b.downsample[0], b.downsample[1], 1, 0.1)
                b.downsample[1].register_forward_hook(see(f'{name}.downsample.0', False))
            b.register_forward_hook(see(name, False))
    if not small:
        net.maxpool.register_forward_hook(see('maxpool', False))
    net.avgpool.register_forward_hook(see('features', False))
    for i, layer in enumerate(net.fc):
        if isinstance(layer, torch.nn.Linear):
            layer.weight.data, layer.bias.data = s.pair(layer.weight.shape, 1 if i == len(net.fc) - 1 else 2, 0.1)
        else:
            layer.register_forward_hook(see(f'fc{i // 2 + 1}', False))
    with torch.no_grad():
        return net(image(size, seed + 1))[0], means


def basic_net(width, layers, classes, seed, size, cifar=False, plain=False, split=False, project=False, bottleneck=False):
    """Networks that torchvision lacks: other widths, the CIFAR family with its parameter-free shortcut, plain nets."""
    s, blocks, means = Stream(seed), sum(layers), Means()
    x = image(size, seed + 1)
    w, b = s.pair((width, 3, 3, 3) if cifar else (width, 3, 7, 7), 2, 0.1)
    x = F.relu(F.conv2d(x, w, b, stride=1 if cifar else 2, padding=1 if cifar else 3))
    means.see('conv1', x)
    if not cifar:
        x = F.max_pool2d(x, 3, 2, 1)
        means.see('maxpool', x)
    for l, count in enumerate(layers):
        for i in range(count):
            name, stride, out = f'layer{l+1}.{i}', 2 if i == 0 and l > 0 else 1, width << l
            convs = [(out, 3, stride), (out, 3, 1)]
            if bottleneck:
                convs, out = [(out, 1, 1), (out, 3, stride), (4 * out, 1, 1)], 4 * out
            y = x
            for k, (to, kernel, step) in enumerate(convs, 1):
                end = k == len(convs)
                w, b = s.pair((to, y.shape[1], kernel, kernel), *((1 / blocks, 0.1 / blocks) if end and not plain else (2, 0.1)))
                y = F.conv2d(y, w, b, stride=step, padding=kernel // 2)
                if not end:
                    y = F.relu(y)
                    means.see(f'{name}.conv{k}', y)
            if not plain:
                if cifar and not project and x.shape[1] != out:
                    more = out - x.shape[1]
                    before = more // 2 if split else 0
                    x = F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, before, more - before))
                    means.see(f'{name}.shortcut', x)
                elif x.shape[1] != out:
                    w, b = s.pair((out, x.shape[1], 1, 1), 1, 0.1)
                    x = F.conv2d(x, w, b, stride=stride)
                    means.see(f'{name}.downsample.0', x)
                y = y + x
            x = F.relu(y)
            means.see(name, x)
    x = x.mean((2, 3))
    means.see('features', x)
    w, b = s.pair((classes, x.shape[1]), 1, 0.1)
    return F.linear(x, w, b)[0], means


def main():
    torch.set_num_threads(2)
    out = []

    def add(name, classes, seed, size, result, pad='', means=True, hidden=()):
        logits, seen = result
        short = lambda v: float(f'{float(v):.7g}')
        out.append({'name': name, 'pad': pad, **({'hidden': hidden} if hidden else {}), 'classes': classes, 'seed': seed, 'size': size,
                    'logits': [short(v) for v in logits],
                    'names': list(seen) if means else [], 'means': [short(v) for v in seen.values()] if means else []})

    depths = {18: (BasicBlock, [2, 2, 2, 2]), 34: (BasicBlock, [3, 4, 6, 3]), 50: (Bottleneck, [3, 4, 6, 3]),
              101: (Bottleneck, [3, 4, 23, 3]), 152: (Bottleneck, [3, 8, 36, 3]), 10: (BasicBlock, [1] * 4),
              14: (Bottleneck, [1] * 4), 26: (Bottleneck, [2] * 4), 200: (Bottleneck, [3, 24, 36, 3])}
    add('resnet18', 1000, 18, 224, torchvision_net(*depths[18], 1000, 18, 224))
    for d in (34, 50, 101, 152):
        add(f'resnet{d}', 16, d, 64, torchvision_net(*depths[d], 16, d, 64))
    add('resnet50v1', 16, 51, 75, torchvision_net(*depths[50], 16, 51, 75, v1=True))
    add('resnet18x0.125', 10, 1, 61, basic_net(8, [2, 2, 2, 2], 10, 1, 61))
    add('plain18x0.25', 10, 2, 64, basic_net(16, [2, 2, 2, 2], 10, 2, 64, plain=True))
    add('resnet20cifar', 10, 3, 32, basic_net(16, [3] * 3, 10, 3, 32, cifar=True), 'pad-append')
    add('resnet20cifar', 10, 4, 32, basic_net(16, [3] * 3, 10, 4, 32, cifar=True, split=True), 'pad-split')
    add('plain20cifar', 10, 5, 33, basic_net(16, [3] * 3, 10, 5, 33, cifar=True, plain=True))
    add('resnet1202cifar', 10, 6, 32, basic_net(16, [200] * 3, 10, 6, 32, cifar=True), 'pad-append', means=False)
    for d in (10, 14, 26, 200):
        add(f'resnet{d}', 10, d, 64, torchvision_net(*depths[d], 10, d, 64), means=d < 50)
    add('resnet18s', 10, 7, 33, torchvision_net(*depths[18], 10, 7, 33, small=True, hidden=(40, 12)), hidden=(40, 12))
    add('resnet20cifar', 10, 8, 32, basic_net(16, [3] * 3, 10, 8, 32, cifar=True, project=True), 'projection')
    add('resnet29cifarbottleneck', 10, 9, 32, basic_net(16, [3] * 3, 10, 9, 32, cifar=True, project=True, bottleneck=True))
    add('resnet29cifarbottleneck', 10, 10, 32, basic_net(16, [3] * 3, 10, 10, 32, cifar=True, bottleneck=True), 'pad-append')
    print('[')
    print(',\n'.join(json.dumps(o, separators=(',', ':')) for o in out))
    print(']')


main()
