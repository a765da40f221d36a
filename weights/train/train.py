#!/usr/bin/env python3
"""Train the built-in model: a torchvision ResNet on the 200 classes of Tiny-ImageNet.

The schedule follows the wall clock, not epochs: the learning rate reaches zero when --minutes are used up, however
fast the machine is and however often the process was stopped and continued (SIGSTOP, SIGCONT). The input grows in
steps, from --size up to --last, because small images teach most of what large ones do at a fraction of the cost.
From --freeze-from on, the stem and layer1 keep their weights and batch statistics: they settle first, and training them,
at the largest resolution, is a third of a step.

    train.py --data DIR --out ckpt.pth --init seed.pth --arch resnet18 --size 96 --last 128 --minutes 100 --lr 0.08

--data is what tiny.py makes: train-*.zip and val.zip (folders named by WordNet id) and classes.tsv. The checkpoint is a
torchvision state_dict of averaged (EMA) weights in float16, with a sidecar .json that records the arguments and the
accuracy measured.

The photographs people drop on the page differ from 64-pixel crops: they are sharper, or blurred, cropped loosely,
tinted, badly exposed. Each batch is therefore cropped, stretched, mirrored, blurred or sharpened, and changed in
brightness, contrast and saturation at random; a few images lose their colour.
"""
import argparse, glob, io, json, math, os, random, time, zipfile
import numpy as np
import torch, torch.nn as nn, torch.nn.functional as F
import torchvision
from PIL import Image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_zip(paths, ids):
    xs, ys = [], []
    for path in paths:
        with zipfile.ZipFile(path) as z:
            for n in z.namelist():
                im = Image.open(io.BytesIO(z.read(n))).convert("RGB")
                xs.append(np.asarray(im, np.uint8)); ys.append(ids[n.split("/")[0]])
    return torch.from_numpy(np.stack(xs)).permute(0, 3, 1, 2).contiguous(), torch.tensor(ys)


def cached(name, cache, make):
    path = os.path.join(cache, name + ".pt")
    if os.path.exists(path): return torch.load(path)
    value = make(); os.makedirs(cache, exist_ok=True); torch.save(value, path); return value


def augment(x, size, dev, scale):
    """Augment a uint8 batch n×3×64×64 into floats n×3×size×size in 0..1: one grid_sample, then filters and colour."""
    n = x.shape[0]; x = x.to(dev).float().div_(255)
    per = lambda lo, hi: torch.empty(n, 1, 1, 1, device=dev).uniform_(lo, hi)
    area, ratio = per(scale, 1).flatten(), torch.exp(per(math.log(3 / 4), math.log(4 / 3))).flatten()
    w, h = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    cx = (torch.rand(n, device=dev) * 2 - 1) * (1 - w); cy = (torch.rand(n, device=dev) * 2 - 1) * (1 - h)
    flip = (torch.rand(n, device=dev) < 0.5).float() * -2 + 1
    t = torch.zeros(n, 2, 3, device=dev)
    t[:, 0, 0], t[:, 0, 2], t[:, 1, 1], t[:, 1, 2] = w * flip, cx, h, cy
    # Blur or sharpen at the source's resolution, where a filter costs least: amount < 0 blurs, > 0 sharpens.
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    amount = per(-0.8, 1.6) * (torch.rand(n, 1, 1, 1, device=dev) < 0.6)
    x = x + amount * (x - soft)
    x = F.grid_sample(x, F.affine_grid(t, (n, 3, size, size), align_corners=False), padding_mode="reflection", align_corners=False)
    grey = x.mean(1, keepdim=True)
    sat = per(0.5, 1.5) * (torch.rand(n, 1, 1, 1, device=dev) > 0.03)
    x = grey + (x - grey) * sat
    m = x.mean((1, 2, 3), keepdim=True)
    return ((x - m) * per(0.65, 1.35) + m * per(0.65, 1.35)).clamp_(0, 1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True); p.add_argument("--out", required=True)
    p.add_argument("--arch", default="resnet18"); p.add_argument("--size", type=int, default=96)
    p.add_argument("--last", type=int, default=128); p.add_argument("--last-from", type=float, default=0.7)
    p.add_argument("--freeze-from", type=float, default=2.0)
    p.add_argument("--minutes", type=float, default=60); p.add_argument("--lr", type=float, default=0.1)
    p.add_argument("--batch", type=int, default=256); p.add_argument("--wd", type=float, default=5e-5)
    p.add_argument("--smooth", type=float, default=0.1); p.add_argument("--scale", type=float, default=0.35)
    p.add_argument("--mixup", type=float, default=0.0); p.add_argument("--init"); p.add_argument("--seed", type=int, default=1)
    p.add_argument("--cache", default=os.path.join(os.environ.get("TMPDIR", "/tmp"), "tiny-cache"))
    p.add_argument("--threads", type=int, default=os.cpu_count()); a = p.parse_args()
    torch.set_num_threads(a.threads); torch.manual_seed(a.seed); np.random.seed(a.seed); random.seed(a.seed)
    dev = "cuda" if torch.cuda.is_available() else "cpu"
    ids = {l.split()[0]: i for i, l in enumerate(open(os.path.join(a.data, "classes.tsv")))}
    X, Y = cached("train", a.cache, lambda: load_zip(sorted(glob.glob(os.path.join(a.data, "train-*.zip"))), ids))
    XV, YV = cached("val", a.cache, lambda: load_zip([os.path.join(a.data, "val.zip")], ids))
    mean = torch.tensor(MEAN, device=dev).view(1, 3, 1, 1); std = torch.tensor(STD, device=dev).view(1, 3, 1, 1)
    net = getattr(torchvision.models, a.arch)(num_classes=len(ids))
    if a.init: net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in torch.load(a.init, map_location="cpu").items()})
    else:
        for m in net.modules():                        # zero the last BN of each residual branch
            if hasattr(m, "conv3"): nn.init.zeros_(m.bn3.weight)
            elif hasattr(m, "downsample") and hasattr(m, "bn2"): nn.init.zeros_(m.bn2.weight)
    net = net.to(dev).to(memory_format=torch.channels_last)
    ema = {k: v.clone() for k, v in net.state_dict().items()}
    early = [v for k, v in net.named_parameters() if k.startswith(("conv1.", "bn1.", "layer1."))]
    dec, nod = [], []
    for _, v in net.named_parameters(): (dec if v.ndim > 1 else nod).append(v)
    opt = torch.optim.SGD([{"params": dec, "weight_decay": a.wd}, {"params": nod, "weight_decay": 0}], lr=a.lr, momentum=0.9, nesterov=True)
    if dev == "cuda": X, Y = X.to(dev), Y.to(dev)
    amp = lambda: torch.autocast(dev, dtype=torch.bfloat16)

    def evaluate(count):
        live = {k: v.clone() for k, v in net.state_dict().items()}; net.load_state_dict(ema); net.eval(); hit = hit5 = 0
        pick = torch.arange(0, len(XV), max(1, len(XV) // count))
        with torch.no_grad(), amp():
            for i in pick.split(500):
                x = F.interpolate(XV[i].to(dev).float().div(255), size=a.last, mode="bilinear", align_corners=False)
                o = net(((x - mean) / std).to(memory_format=torch.channels_last)).float().topk(5).indices.cpu()
                y = YV[i, None]; hit += (o[:, :1] == y).sum().item(); hit5 += (o == y).sum().item()
        net.load_state_dict(live); net.train(); return hit / len(pick), hit5 / len(pick)

    def save(extra):
        torch.save({k: v.detach().half().cpu().contiguous() if v.is_floating_point() else v.cpu() for k, v in ema.items()}, a.out)
        json.dump(dict(vars(a), **extra), open(os.path.splitext(a.out)[0] + ".json", "w"), indent=1)

    start, total, seen, step, epoch = time.time(), a.minutes * 60, 0, 0, 0
    steps = [s for s in range(a.size, a.last + 1, 32)]
    net.train()
    while time.time() - start < total:
        perm = torch.randperm(len(X), device=X.device)
        for i in range(0, len(X) - a.batch + 1, a.batch):
            t = (time.time() - start) / total
            if t >= 1: break
            size = a.last if t >= a.last_from else steps[min(len(steps) - 1, int(t / a.last_from * max(1, len(steps) - 1)))]
            lr = a.lr * (t / 0.03 if t < 0.03 else 0.5 * (1 + math.cos(math.pi * (t - 0.03) / 0.97)))
            for g in opt.param_groups: g["lr"] = lr
            if t >= a.freeze_from:
                for m in (net.bn1, net.layer1): m.eval()
                for v in early: v.requires_grad_(False); v.grad = None
            j = perm[i:i + a.batch]; y = Y[j].to(dev)
            x = ((augment(X[j], size, dev, a.scale) - mean) / std).to(memory_format=torch.channels_last)
            with amp():
                if a.mixup > 0:
                    l = float(np.random.beta(a.mixup, a.mixup)); r = torch.randperm(len(y), device=dev)
                    o = net(l * x + (1 - l) * x[r])
                    loss = l * F.cross_entropy(o.float(), y, label_smoothing=a.smooth) + (1 - l) * F.cross_entropy(o.float(), y[r], label_smoothing=a.smooth)
                else: loss = F.cross_entropy(net(x).float(), y, label_smoothing=a.smooth)
            opt.zero_grad(set_to_none=True); loss.backward(); opt.step(); step += 1; seen += len(y)
            d = min(0.999, 1 - 1 / (1 + step / 10)) if t < 0.9 else 0.998
            for k, v in net.state_dict().items():
                if v.is_floating_point(): ema[k].mul_(d).add_(v.detach(), alpha=1 - d)
                else: ema[k].copy_(v)
            if step % 50 == 0: print(f"{(time.time()-start)/60:.1f} min  step {step}  epoch {seen/len(X):.2f}  size {size}  loss {loss.item():.3f}  {seen/(time.time()-start):.0f} img/s", flush=True)
        epoch += 1; a1, a5 = evaluate(2000)
        print(f"epoch {epoch}: top-1 {a1:.4f} top-5 {a5:.4f} (2,000 images)", flush=True); save(dict(top1=a1, top5=a5, epochs=seen / len(X)))
    a1, a5 = evaluate(len(XV)); save(dict(top1=a1, top5=a5, epochs=seen / len(X)))
    print(f"final: top-1 {a1:.4f} top-5 {a5:.4f} after {seen/len(X):.1f} epochs", flush=True)


if __name__ == "__main__":
    main()
