"""The console command ``nasvit-mm``: one module a command, imported when it is asked for.

A command is a module of this folder with ``add_arguments(parser)`` and ``main(argv=None)``, and a
line in ``COMMANDS``.  The scripts of ``tools/`` and ``demo/`` are doors to the same modules.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from nasvit_mm.errors import unknown
from nasvit_mm.version import __version__

COMMANDS = {  # name: module with main(argv), what it does
    'new': ('nasvit_mm.cli.new', 'write the configs of a task for your own data'),
    'auto': ('nasvit_mm.cli.auto', 'go the whole way on your own data, to a deployed model'),
    'data': ('nasvit_mm.cli.data', 'fetch a public data set from its source'),
    'train': ('nasvit_mm.cli.train', 'train the model of a config'),
    'test': ('nasvit_mm.cli.test', 'evaluate a checkpoint on the test data of a config'),
    'search': ('nasvit_mm.cli.search', 'search architectures for a task, under its whole cost'),
    'export': ('nasvit_mm.cli.export', 'hand a searched backbone over to training'),
    'deploy': ('nasvit_mm.cli.deploy', 'make an artefact that a device runs'),
    'convert': ('nasvit_mm.cli.convert', 'turn an official checkpoint into one of this package'),
    'make-supernet': ('nasvit_mm.cli.make_supernet', 'lay a network into a supernet with it'),
    'flops': ('nasvit_mm.cli.flops', "count MACs and parameters of a config's model"),
    'benchmark': ('nasvit_mm.cli.benchmark', "measure latency and memory of a config's model"),
    'image-demo': ('nasvit_mm.cli.image_demo', 'segment images, or find objects in them'),
    'demo': ('nasvit_mm.cli.demo', 'the whole way on built-in images, from supernet to mIoU'),
    'demo-data': ('nasvit_mm.cli.demo_data', 'write the built-in demo data'),
    'doctor': ('nasvit_mm.doctor', 'say what works in this environment, and what mends the rest'),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command: ``main(['train', CONFIG, ...])``; None: what the command line says."""
    argv = sys.argv[1:] if argv is None else list(argv)
    width = max(map(len, COMMANDS))
    lines = [f'  {name:{width}}  {line}' for name, (_, line) in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        'nasvit-mm',
        description='\n'.join(['commands:', *lines]),
        epilog='nasvit-mm COMMAND --help tells its arguments.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=__version__)
    parser.add_argument('command', metavar='COMMAND', help='one of those above')
    name = parser.parse_args(argv[:1]).command
    if name not in COMMANDS:
        parser.error(unknown('COMMAND', name, COMMANDS))

    from nasvit_mm.cli.common import run

    sys.argv[0] = f'nasvit-mm {name}'  # what argparse calls it in its usage
    run(lambda: import_module(COMMANDS[name][0]).main(argv[1:]))
