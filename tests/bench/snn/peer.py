#!/usr/bin/python3
"""Training steps of spiking networks in PyTorch: the peer of the benchmark beside it.

A step is forward, backpropagation through time and Adam, in float32 on the CPU. A network is a
chain of current-based leaky integrate-and-fire (LIF) layers and a leaky readout:

    S[t]   = 1 if U[t] > 1 else 0,  or a draw of Bernoulli(sigmoid(10 (U[t] - 1)))
    U[t+1] = (a_m U[t] + (1 - a_m) I[t]) (1 - S[t])
    I[t+1] = a_s I[t] + S_in[t] W (+ S[t] V)
    q[t+1] = a_s q[t] + S_in[t] W,   o[t+1] = r o[t] + (1 - r) q[t]

with a = exp(-dt / tau), r = exp(-dt / duration) and zero initial states. The loss is the cross
entropy of max_t o[t]. Backward, dS/dU is SuperSpike 1 / (1 + 10 |U - 1|)^2, for stochastic neurons
the derivative 10 s (1 - s) of their escape probability; the factor (1 - S) counts as constant.

Variants:
  layer     one autograd function a layer sequence with a hand-written adjoint, on workspaces that
            are reused from step to step; the input is a list of events, made outside the step.
  dense     the same, with the input as a dense float tensor.
  tutorial  plain autograd, operation by operation, on a dense input.

Tensors are time-major, (steps, batch, units), so that a time slice is contiguous; weights are
(inputs, units). Standard output is one JSON object: {"S1": {"ms": median, "loss": last}, ...}.

Requires python3-torch and python3-numpy, and libopenblas0-pthread: with the reference BLAS the
matrix products, and with them these times, are an order of magnitude slower.
"""

import argparse
import json
import math
import os
import statistics
import time
from dataclasses import dataclass
from typing import List, Optional


@dataclass(frozen=True)
class Workload:
    """Shape of a network and of its input; `hidden` lists the widths of the LIF layers."""

    inputs: int
    hidden: tuple
    classes: int
    steps: int
    batch: int
    density: float = 0.015  # probability of an input spike per step
    recurrent: bool = False
    stochastic: bool = False


WORKLOADS = {
    "S1": Workload(700, (128,), 20, 350, 400),
    "S1s": Workload(700, (128,), 20, 350, 64),
    "S2": Workload(700, (256,), 20, 100, 256, recurrent=True),
    "S3": Workload(700, (128, 128, 128), 20, 350, 64),
    "S4": Workload(700, (128,), 20, 350, 400, stochastic=True),
    "S4s": Workload(700, (128,), 20, 350, 64, stochastic=True),
    "S5": Workload(20, (128, 128, 128), 15, 100, 400, density=0.05),
}


def options():
    parser = argparse.ArgumentParser(description="Time training steps of spiking networks.")
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="names, comma-separated")
    parser.add_argument("--variant", choices=("layer", "dense", "tutorial"), default="layer")
    parser.add_argument("--steps", type=int, default=7, help="timed training steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="compare gradients, time nothing")
    return parser.parse_args()


OPTIONS = options()
# Read when the libraries are loaded. OpenBLAS and torch have a pool of threads each: waiting
# threads of the one must soon stop spinning, or those of the other find no core.
os.environ["OPENBLAS_NUM_THREADS"] = str(OPTIONS.threads)
os.environ["GOMP_SPINCOUNT"] = "2000"

import numpy  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

DT = 2e-3  # seconds, as are the time constants
DECAY_MEM = math.exp(-DT / 20e-3)
DECAY_SYN = math.exp(-DT / 10e-3)
SLOPE = 10.0  # of the surrogate derivative and of the escape probability
# Integral of the squared postsynaptic potential, in seconds.
KERNEL_POWER = DT * sum(
    ((1.0 - DECAY_MEM) * (DECAY_MEM**k - DECAY_SYN**k) / (DECAY_MEM - DECAY_SYN)) ** 2
    for k in range(200)
)
HIDDEN_RATE = 15.8  # Hz, at which the initial weights assume hidden neurons to fire
CHUNK_ROWS = 2048  # (step, sample) pairs whose synaptic input is computed at a time

# NumPy's generator fills an array about twice as fast as torch's.
GENERATOR = numpy.random.Generator(numpy.random.SFC64(1))


def uniform(out):
    """Fills `out` with uniform draws from [0, 1)."""
    array = out.numpy()
    GENERATOR.random(out=array, dtype=array.dtype)
    return out


def chunks(steps, batch):
    """Consecutive ranges of steps with about CHUNK_ROWS rows each."""
    size = max(1, CHUNK_ROWS // batch)
    return [(begin, min(begin + size, steps)) for begin in range(0, steps, size)]


class DenseInput:
    """A tensor of spikes (steps, batch, units) as the input of a layer."""

    def __init__(self, spikes):
        steps, batch, _ = spikes.shape
        self.rows = [spikes[a:b].flatten(0, 1) for a, b in chunks(steps, batch)]

    def project(self, chunk, weight):
        return self.rows[chunk] @ weight

    def add_weight_gradient(self, chunk, adjoint, gradient):
        gradient.addmm_(self.rows[chunk].t(), adjoint)


class EventInput:
    """The same as events: sums of weight rows forward, of adjoint rows backward."""

    def __init__(self, spikes):
        steps, batch, _ = spikes.shape
        self.by_row = []
        self.by_unit = []
        for begin, end in chunks(steps, batch):
            rows = spikes[begin:end].flatten(0, 1)
            self.by_row.append(bags(rows))
            self.by_unit.append(bags(rows.t()))

    def project(self, chunk, weight):
        units, offsets = self.by_row[chunk]
        return F.embedding_bag(units, weight, offsets, mode="sum")

    def add_weight_gradient(self, chunk, adjoint, gradient):
        rows, offsets = self.by_unit[chunk]
        gradient.add_(F.embedding_bag(rows, adjoint, offsets, mode="sum"))


def bags(matrix):
    """The columns of the nonzeros, row by row, and where each row begins."""
    row, column = matrix.nonzero(as_tuple=True)
    return column.int(), torch.searchsorted(row, torch.arange(len(matrix))).int()


@torch.jit.script
def advance(
    drive: List[torch.Tensor],
    potentials: List[torch.Tensor],
    current: torch.Tensor,
    spikes: List[torch.Tensor],
    probabilities: List[torch.Tensor],
    noise: List[torch.Tensor],
    recurrent: Optional[torch.Tensor],
    slope: float,
    decay_mem: float,
    decay_syn: float,
):
    """Steps of a LIF layer in place; neurons are stochastic where there is noise."""
    for k in range(len(drive)):
        s = spikes[k]
        now = potentials[k]
        after = potentials[k + 1]
        if len(noise) > 0:
            torch.sub(now, slope, out=probabilities[k]).sigmoid_()
            torch.lt(noise[k], probabilities[k], out=s)
        else:
            torch.gt(now, slope, out=s)
        torch.add(current, now, alpha=decay_mem, out=after)
        after.addcmul_(after, s, value=-1.0)
        if recurrent is not None:
            drive[k].addmm_(s, recurrent)
        torch.add(drive[k], current, alpha=decay_syn, out=current)


@torch.jit.script
def retreat(
    slopes: List[torch.Tensor],
    potential: torch.Tensor,
    currents: List[torch.Tensor],
    spikes: List[torch.Tensor],
    adjoints: List[torch.Tensor],
    recurrent: Optional[torch.Tensor],
    total: torch.Tensor,
    decay_mem: float,
    decay_syn: float,
):
    """The adjoint of `advance`, in place.

    `potential` and `currents`, one longer than the other lists, are adjoints of the states.
    `slopes` holds surrogate derivatives, without recurrence already times `adjoints`, those of the
    spikes.
    """
    for j in range(len(slopes)):
        k = len(slopes) - 1 - j
        if recurrent is not None:
            torch.addmm(adjoints[k], currents[k + 1], recurrent, out=total)
            slopes[k].mul_(total)
        potential.addcmul_(potential, spikes[k], value=-1.0)
        torch.add(potential, currents[k + 1], alpha=decay_syn, out=currents[k])
        torch.add(slopes[k], potential, alpha=decay_mem, out=potential)


class LifSequence(torch.autograd.Function):
    """All time steps of a LIF layer as one node of the graph."""

    @staticmethod
    def forward(ctx, spikes, weight, recurrent, layer):
        ctx.layer = layer
        ctx.source = DenseInput(spikes.detach()) if layer.source is None else layer.source
        ctx.save_for_backward(weight, recurrent)
        return layer.run(ctx.source, weight, recurrent)

    @staticmethod
    def backward(ctx, adjoint):
        weight, recurrent = ctx.saved_tensors
        return (*ctx.layer.pull_back(ctx.source, weight, recurrent, adjoint), None)


class LifLayer(torch.nn.Module):
    """A LIF layer with its workspace: one backward pass must follow each forward pass.

    The potential is kept as x = 10 U, so that x - 10 is the argument of the surrogate and of the
    escape probability; the factor 10 (1 - a_m) of the currents is moved into the weights.
    """

    def __init__(self, shape, inputs, units, rate, source=None):
        super().__init__()
        self.source = source
        self.stochastic = shape.stochastic
        share = 0.9 if shape.recurrent else 1.0
        self.weight = fluctuation_driven(inputs, units, rate, share)
        self.recurrent = None
        if shape.recurrent:
            self.recurrent = fluctuation_driven(units, units, HIDDEN_RATE, 1.0 - share)

        steps, batch = shape.steps, shape.batch
        self.chunks = chunks(steps, batch)
        longest = max(end - begin for begin, end in self.chunks)
        self.spikes = torch.empty(steps, batch, units)
        # What the surrogate needs: the potentials, or the probabilities of stochastic neurons.
        self.saved = torch.empty(steps + 1, batch, units)
        self.input_adjoint = None if source else torch.empty(steps, batch, inputs)
        self.currents = torch.empty(longest + 1, batch, units)
        self.chunk = torch.empty(longest, batch, units)  # of noise, then of surrogate derivatives
        self.scratch = torch.empty(3, batch, units)
        self.spike_slices = self.spikes.unbind()
        self.saved_slices = self.saved.unbind()
        self.current_slices = self.currents.unbind()
        self.chunk_slices = self.chunk.unbind()

    def forward(self, spikes):
        return LifSequence.apply(spikes, self.weight, self.recurrent, self)

    def run(self, source, weight, recurrent):
        gain = SLOPE * (1.0 - DECAY_MEM)
        weight = weight * gain
        if recurrent is not None:
            recurrent = recurrent * gain
        potential, current, _ = self.scratch.zero_().unbind()
        potentials, noise = self.saved_slices, ()
        if self.stochastic:
            potentials, noise = (potential,) * len(self.saved_slices), self.chunk_slices
        potentials[0].zero_()
        for chunk, (begin, end) in enumerate(self.chunks):
            drive = source.project(chunk, weight).view(end - begin, *potential.shape)
            if self.stochastic:
                uniform(self.chunk[: end - begin])
            advance(
                drive.unbind(),
                potentials[begin : end + 1],
                current,
                self.spike_slices[begin:end],
                self.saved_slices[begin:end],
                noise,
                recurrent,
                SLOPE,
                DECAY_MEM,
                DECAY_SYN,
            )
        return self.spikes.detach()

    def pull_back(self, source, weight, recurrent, adjoint):
        """Adjoints of the input spikes, of the weights and of the recurrent weights."""
        gain = (1.0 - DECAY_MEM) * (SLOPE if self.stochastic else 1.0)
        back = (weight * gain).t()
        weight_gradient = torch.zeros_like(weight)
        recurrent_gradient = recurrent_back = None
        if recurrent is not None:
            recurrent_back = (recurrent * gain).t()
            recurrent_gradient = torch.zeros_like(recurrent)
        potential, carried, total = self.scratch.zero_().unbind()
        for chunk in reversed(range(len(self.chunks))):
            begin, end = self.chunks[chunk]
            length = end - begin
            slope = self.surrogate(begin, end)
            if recurrent is None:
                slope.mul_(adjoint[begin:end])
            # currents[k] is the adjoint of the current at step begin + k, which is that of the
            # synaptic input one step earlier.
            self.current_slices[length].copy_(carried)
            retreat(
                self.chunk_slices[:length],
                potential,
                self.current_slices[: length + 1],
                self.spike_slices[begin:end],
                () if recurrent is None else adjoint[begin:end].unbind(),
                recurrent_back,
                total,
                DECAY_MEM,
                DECAY_SYN,
            )
            carried.copy_(self.current_slices[0])

            inputs = self.currents[1 : length + 1].flatten(0, 1)
            source.add_weight_gradient(chunk, inputs, weight_gradient)
            if recurrent is not None:
                recurrent_gradient.addmm_(self.spikes[begin:end].flatten(0, 1).t(), inputs)
            if self.input_adjoint is not None:
                torch.mm(inputs, back, out=self.input_adjoint[begin:end].flatten(0, 1))
        weight_gradient.mul_(gain)
        if recurrent is not None:
            recurrent_gradient.mul_(gain)
        return self.input_adjoint, weight_gradient, recurrent_gradient

    def surrogate(self, begin, end):
        """dS/dU of some steps; without the factor 10 where neurons are stochastic."""
        saved = self.saved[begin:end]
        slope = self.chunk[: end - begin]
        if self.stochastic:
            return torch.addcmul(saved, saved, saved, value=-1.0, out=slope)
        return torch.sub(saved, SLOPE, out=slope).abs_().add_(1.0).pow_(-2)


class ReadoutSequence(torch.autograd.Function):
    """All time steps of the leaky readout; returns its maximum over time, (batch, classes)."""

    @staticmethod
    def forward(ctx, spikes, weight, layer):
        ctx.layer = layer
        output = layer.run(spikes, weight)
        peak, ctx.when = output.max(0)
        ctx.save_for_backward(spikes, weight)
        return peak

    @staticmethod
    def backward(ctx, adjoint):
        spikes, weight = ctx.saved_tensors
        return (*ctx.layer.pull_back(spikes, weight, ctx.when, adjoint), None)


class ReadoutLayer(torch.nn.Module):
    """The leaky readout with its workspace; the factor 1 - r is moved into the weights.

    The output is the synaptic input through two first-order filters, two steps later.
    """

    def __init__(self, shape, inputs):
        super().__init__()
        self.retain = math.exp(-1.0 / shape.steps)
        self.weight = normal(inputs, shape.classes, 1.0 / math.sqrt(inputs))
        self.output = torch.zeros(shape.steps, shape.batch, shape.classes)
        self.adjoint = torch.empty_like(self.output)
        self.input_adjoint = torch.zeros(shape.steps, shape.batch, inputs)

    def forward(self, spikes):
        return ReadoutSequence.apply(spikes, self.weight, self)

    def run(self, spikes, weight):
        weight = weight * (1.0 - self.retain)
        torch.mm(spikes[:-2].flatten(0, 1), weight, out=self.output[2:].flatten(0, 1))
        slices = self.output[2:].unbind()
        accumulate(slices, DECAY_SYN)
        accumulate(slices, self.retain)
        return self.output

    def pull_back(self, spikes, weight, when, adjoint):
        gain = 1.0 - self.retain
        self.adjoint.zero_().scatter_(0, when.unsqueeze(0), adjoint.unsqueeze(0))
        slices = self.adjoint[2:].unbind()[::-1]
        accumulate(slices, self.retain)
        accumulate(slices, DECAY_SYN)
        rows = self.adjoint[2:].flatten(0, 1)
        torch.mm(rows, (weight * gain).t(), out=self.input_adjoint[:-2].flatten(0, 1))
        return self.input_adjoint, (rows.t() @ spikes[:-2].flatten(0, 1)).mul_(gain).t()


def accumulate(slices, decay):
    """The first-order filter y[k] = x[k] + decay y[k - 1], in place."""
    for before, x in zip(slices, slices[1:]):
        x.add_(before, alpha=decay)


class LayerNetwork(torch.nn.Module):
    """The network with one graph node a layer."""

    def __init__(self, shape, source):
        super().__init__()
        self.layers = torch.nn.ModuleList()
        inputs, rate = shape.inputs, shape.density / DT
        for units in shape.hidden:
            self.layers.append(LifLayer(shape, inputs, units, rate, source))
            inputs, rate, source = units, HIDDEN_RATE, None
        self.layers.append(ReadoutLayer(shape, inputs))

    def forward(self):
        signal = None
        for layer in self.layers:
            signal = layer(signal)
        return signal


class Spike(torch.autograd.Function):
    """A step function whose derivative is SuperSpike."""

    @staticmethod
    def forward(ctx, potential):
        ctx.save_for_backward(potential)
        return (potential > 1.0).to(potential.dtype)

    @staticmethod
    def backward(ctx, adjoint):
        (potential,) = ctx.saved_tensors
        return adjoint / (SLOPE * (potential - 1.0).abs() + 1.0) ** 2


class BernoulliSpike(torch.autograd.Function):
    """A draw with a sigmoid probability, whose derivative stands for its own."""

    @staticmethod
    def forward(ctx, potential):
        probability = torch.sigmoid(SLOPE * (potential - 1.0))
        ctx.save_for_backward(probability)
        return (uniform(torch.empty_like(potential)) < probability).to(potential.dtype)

    @staticmethod
    def backward(ctx, adjoint):
        (probability,) = ctx.saved_tensors
        return adjoint * SLOPE * probability * (1.0 - probability)


class TutorialNetwork(torch.nn.Module):
    """The network as tutorials write it, every operation a graph node."""

    def __init__(self, shape, spikes):
        super().__init__()
        self.spikes = spikes
        self.retain = math.exp(-1.0 / shape.steps)
        self.spike = BernoulliSpike.apply if shape.stochastic else Spike.apply
        self.hidden = len(shape.hidden)
        self.recurrent = shape.recurrent
        self.weights = torch.nn.ParameterList()  # input and recurrent, layer by layer
        share = 0.9 if shape.recurrent else 1.0
        inputs, rate = shape.inputs, shape.density / DT
        for units in shape.hidden:
            self.weights.append(fluctuation_driven(inputs, units, rate, share))
            if shape.recurrent:
                self.weights.append(fluctuation_driven(units, units, HIDDEN_RATE, 1.0 - share))
            inputs, rate = units, HIDDEN_RATE
        self.weights.append(normal(inputs, shape.classes, 1.0 / math.sqrt(inputs)))

    def forward(self):
        signal = self.spikes
        weights = iter(self.weights)
        for _ in range(self.hidden):
            drive = signal @ next(weights)
            recurrent = next(weights) if self.recurrent else None
            potential = current = torch.zeros_like(drive[0])
            spikes = []
            for x in drive.unbind():
                s = self.spike(potential)
                spikes.append(s)
                potential = DECAY_MEM * potential + (1.0 - DECAY_MEM) * current
                potential = potential * (1.0 - s.detach())
                current = DECAY_SYN * current + x
                if recurrent is not None:
                    current = current + s @ recurrent
            signal = torch.stack(spikes)
        drive = signal @ next(weights)
        output = synaptic = torch.zeros_like(drive[0])
        outputs = []
        for x in drive.unbind():
            outputs.append(output)
            output = self.retain * output + (1.0 - self.retain) * synaptic
            synaptic = DECAY_SYN * synaptic + x
        return torch.stack(outputs).max(0).values


def normal(inputs, units, deviation):
    return torch.nn.Parameter(deviation * torch.randn(inputs, units))


def fluctuation_driven(inputs, units, rate, share):
    """Weights that give the potential the standard deviation 1 (Rossbroich et al., 2022).

    `rate` is that of the inputs in Hz, `share` the part of the variance these weights cause.
    """
    return normal(inputs, units, math.sqrt(share / (inputs * rate * KERNEL_POWER)))


def problem(shape, variant, seed=1):
    """A network with its input, and labels: the same for every variant."""
    global GENERATOR
    GENERATOR = numpy.random.Generator(numpy.random.SFC64(seed))
    torch.manual_seed(seed)
    spikes = torch.bernoulli(torch.full((shape.steps, shape.batch, shape.inputs), shape.density))
    labels = torch.randint(shape.classes, (shape.batch,))
    if variant == "tutorial":
        return TutorialNetwork(shape, spikes), labels
    source = EventInput(spikes) if variant == "layer" else DenseInput(spikes)
    return LayerNetwork(shape, source), labels


def measure(shape, variant, steps):
    """Median time of a training step in milliseconds, and the loss of the last one."""
    network, labels = problem(shape, variant)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    times = []
    for _ in range(steps + 2):  # two to warm up
        start = time.perf_counter()
        adam.zero_grad(set_to_none=True)
        loss = F.cross_entropy(network(), labels)
        loss.backward()
        adam.step()
        times.append(time.perf_counter() - start)
    return {"ms": 1e3 * statistics.median(times[2:]), "loss": loss.item()}


def check():
    """Compares the gradients of the variants, in float64 so that no spike differs."""
    torch.set_default_dtype(torch.float64)
    shapes = {
        "two layers": Workload(30, (12, 10), 4, 60, 50, density=0.2),
        "recurrent": Workload(30, (12,), 4, 60, 50, density=0.2, recurrent=True),
        "stochastic": Workload(30, (12, 10), 4, 60, 50, density=0.2, stochastic=True),
        "stochastic, recurrent": Workload(30, (12,), 4, 60, 50, 0.2, True, True),
    }
    worst = 0.0
    for name, shape in shapes.items():
        gradients = {}
        for variant in ("tutorial", "layer", "dense"):
            network, labels = problem(shape, variant)
            F.cross_entropy(network(), labels).backward()
            gradients[variant] = [p.grad for p in network.parameters()]
        for variant in ("layer", "dense"):
            for ours, reference in zip(gradients[variant], gradients["tutorial"]):
                difference = ((ours - reference).abs().max() / reference.abs().max()).item()
                print(f"{name}, {variant}, {tuple(ours.shape)}: {difference:.1e}")
                worst = max(worst, difference) if difference == difference else math.inf
    if not worst < 1e-4:
        raise SystemExit("the gradients differ")


def main():
    torch.set_num_threads(OPTIONS.threads)
    torch.set_flush_denormal(True)
    if OPTIONS.check:
        return check()
    results = {}
    for name in OPTIONS.workloads.split(","):
        if name not in WORKLOADS:
            raise SystemExit(f"no workload is called {name}; there are {', '.join(WORKLOADS)}")
        results[name] = measure(WORKLOADS[name], OPTIONS.variant, OPTIONS.steps)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
