"""Time the networks of this folder on this device; needs numpy and the runtime, nothing else.

    python time_networks.py [--threads N] [--rounds 10] [--out times.json]

The folder was written by `nasvit-mm benchmark CONFIG --write-kit FOLDER`; bring times.json back,
`nasvit-mm benchmark CONFIG --build-table FILE --read-times times.json` makes the latency table.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

KIT = 'kit.json'
WARMUP = 2  # calls that are not timed
SHORTEST = 2e-3  # seconds of a sample: a quicker network is called several times


def measure(kit, load, rounds, report=None):
    """Return milliseconds of a call by network: one number, or two of those measured twice.

    Every sample comes right after a call of one reference network, and counts by the ratio of the
    two, so that a device that is slower for a while (its clock, its other users) does not make
    some networks look slow.  What is measured twice is so after all others.

    Args:
        kit: what kit.json holds.
        load: `load(file)` returns a function of an array.
        rounds: samples of each.
        report: `report(done, of)`.
    """
    networks = kit['networks']
    order = [*networks, *(name for name, about in networks.items() if about['twice'])]
    reference = _call(networks[kit['reference']], load)
    usual = np.median([_seconds(reference) for _ in range(WARMUP + 3 * rounds)][WARMUP:])
    times = {name: [] for name in networks}
    for i, name in enumerate(order):
        call = _call(networks[name], load)
        quickest = min(_seconds(call) for _ in range(WARMUP))
        calls = max(1, int(np.ceil(SHORTEST / max(quickest, 1e-6))))
        ratios = []
        for _ in range(rounds):
            now = _seconds(reference)
            ratios.append(_seconds(call, calls) / now)
        times[name].append(float(1e3 * usual * np.median(ratios)))
        if report:
            report(i + 1, len(order))
    return times


def _call(about, load):
    run = load(about['file'])
    rng = np.random.default_rng(0)
    if about.get('dtype') == 'uint8':
        x = rng.integers(0, 256, about['shape'], np.uint8)
    else:
        x = rng.standard_normal(about['shape'], np.float32)
    run(x)
    return lambda: run(x)


def _seconds(call, calls=1):
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


# ---------------------------------------------------------------------- runtimes
def onnx(path, threads, precision):
    """Load a file with onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})


def openvino(path, threads, precision):
    """Load a file with OpenVINO."""
    import openvino

    options = {
        'INFERENCE_PRECISION_HINT': 'bf16' if precision == 'bf16' else 'f32',
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_NUM_THREADS': threads,
    }
    return openvino.Core().compile_model(path, 'CPU', options)


def litert(path, threads, precision):
    """Load a file with LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    index = interpreter.get_input_details()[0]['index']

    def run(x):
        interpreter.set_tensor(index, x)
        interpreter.invoke()

    return run


RUNTIMES = {'onnx': onnx, 'openvino': openvino, 'litert': litert}
PACKAGES = {'onnx': 'onnxruntime', 'openvino': 'openvino', 'litert': 'ai-edge-litert'}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=10, help='samples of each network')
    parser.add_argument('--out', default='times.json')
    args = parser.parse_args()
    from importlib.metadata import version

    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    folder = Path(__file__).resolve().parent
    kit = json.loads((folder / KIT).read_text())
    runtime = kit['runtime']
    times = measure(
        kit,
        lambda file: RUNTIMES[runtime](str(folder / file), args.threads, kit['precision']),
        args.rounds,
        progress,
    )
    found = dict(
        kit=kit,
        times=times,
        version=version(PACKAGES[runtime]),
        threads=args.threads,
        device=device_name(),
    )
    Path(args.out).write_text(json.dumps(found))
    print(f'{args.out}: {len(times)} networks')


def progress(done, of):
    """Count in one line of a terminal, elsewhere in about ten lines."""
    if sys.stdout.isatty():
        print(f'\r{done} of {of}', end='\n' if done == of else '', flush=True)
    elif done == of or done % max(of // 10, 1) == 0:
        print(f'{done} of {of}', flush=True)


def device_name():
    """Return the name of this machine's CPU, as Linux knows it, or its kind."""
    path = Path('/proc/cpuinfo')
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith(('model name', 'Hardware', 'Model')):
            return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == '__main__':
    main()
