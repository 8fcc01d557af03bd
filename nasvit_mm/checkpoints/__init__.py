"""Checkpoints: official ones -> ours, supernet -> subnet."""

from nasvit_mm.checkpoints.convert import convert_official
from nasvit_mm.checkpoints.extract import extract_state, extract_subnet
from nasvit_mm.checkpoints.files import load_official, save_weights

__all__ = ['convert_official', 'extract_state', 'extract_subnet', 'load_official', 'save_weights']
