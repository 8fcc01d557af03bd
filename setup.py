"""Installs nasvit_mm. Versions live in requirements/ and nasvit_mm/compat/tested.txt, not here."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

# Run by path: importing nasvit_mm would need numpy, which may not be installed yet.
VERSION = runpy.run_path(str(ROOT / 'nasvit_mm/version.py'))['__version__']
TESTED = runpy.run_path(str(ROOT / 'nasvit_mm/compat/tested.py'))['sections']()


def requirements(name: str) -> list[str]:
    """Return the lines of requirements/<name>.txt without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


def readme() -> str:
    path = ROOT / 'README.md'
    return path.read_text(encoding='utf-8') if path.exists() else ''


setup(
    name='nasvit_mm',
    version=VERSION,
    description='NASViT, ElasticViT and ViTAS: vision supernets searched for segmentation and '
    'detection in OpenMMLab',
    long_description=readme(),
    long_description_content_type='text/markdown',
    author='nasvit_mm authors',
    license='Apache-2.0',
    classifiers=[
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    packages=find_packages(include=['nasvit_mm', 'nasvit_mm.*']),
    package_data={
        'nasvit_mm.families': ['*/zoo.json'],
        'nasvit_mm.compat': ['tested.txt'],
        'nasvit_mm.search.record': ['report.html'],
    },
    python_requires='>=3.10',
    install_requires=requirements('runtime'),
    # onedl, search, export, dev are the tested versions. The two families of mm packages share
    # their import names: never both in one environment.
    extras_require={
        'openmmlab': requirements('openmmlab'),
        **{name: lines for name, lines in TESTED.items() if name != 'base'},
    },
    zip_safe=False,
)
