"""What makes the evaluation of a candidate cheaper, and what that costs of the order.

    python benchmarks/evaluation.py configs/search/nasvit_camvid_miou.py --number 24
    python benchmarks/evaluation.py CONFIG --options evaluator.checkpoint=work_dirs/x/iter_2000.pth

What `nasvit-mm search CONFIG --advise` measures; written to docs/evaluation.json too.
"""

from __future__ import annotations

import argparse
import json

from _runs import ROOT
from mmengine.config import DictAction

from nasvit_mm.apis import advise

JSON = ROOT / 'docs/evaluation.json'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='of a search by a supernet')
    parser.add_argument('--number', type=int, default=24, help='of candidates')
    parser.add_argument('--options', nargs='+', action=DictAction, default={})
    args = parser.parse_args()
    found = advise(args.config, args.number, options=args.options)
    rows = [dict(each.to_dict(), config=args.config) for each in found]
    JSON.write_text(json.dumps(rows, indent=1) + '\n')


if __name__ == '__main__':
    main()
