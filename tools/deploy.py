"""Make an artefact of a trained model, as nasvit-mm deploy.

python tools/deploy.py CONFIG WEIGHTS --to onnx --out DIR ...
"""

from nasvit_mm.cli.common import run
from nasvit_mm.cli.deploy import main

if __name__ == '__main__':
    run(main)
