"""Image classification in mmengine: model, pictures in folders, accuracy."""

from nasvit_mm.classification.data import ImageFolder
from nasvit_mm.classification.metric import Accuracy
from nasvit_mm.classification.model import ClassificationPreprocessor, ImageClassifier

__all__ = ['Accuracy', 'ClassificationPreprocessor', 'ImageClassifier', 'ImageFolder']
