"""Image classification in mmengine: model, kind, accuracy."""

from nasvit_mm.classification.kind import Classifier
from nasvit_mm.classification.metric import Accuracy
from nasvit_mm.classification.model import ClassificationPreprocessor, ImageClassifier

__all__ = ['Accuracy', 'ClassificationPreprocessor', 'Classifier', 'ImageClassifier']
