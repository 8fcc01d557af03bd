"""A trained model leaves the framework: plain logits, ONNX."""

from nasvit_mm.deploy.onnx import Logits, export_onnx

__all__ = ['Logits', 'export_onnx']
