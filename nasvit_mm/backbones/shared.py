"""Backbones whose checkpoints record the rules by which their weights are shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch

from nasvit_mm.backbones.base import ElasticBackbone
from nasvit_mm.nn import SHARING, Span, num_phases, shared_span


class Rule(NamedTuple):
    """An option that determines how the weights of a supernet are read.

    Attributes:
        names: the names that are allowed.
        default: the default name.
        number: whether a positive int is allowed too.
        of_subnets: whether the rule also matters for a single architecture.
    """

    names: tuple[str, ...]
    default: str
    number: bool = False
    of_subnets: bool = False


class SharedWeightBackbone(ElasticBackbone):
    """Base of the ViTAS backbones: ``sharing`` and other rules are options stored in checkpoints.

    A supernet's weights make sense only under the rules that they were trained with, so the rules
    are stored as a small integer buffer, ``rules``.  A checkpoint brings its own rules along;
    loading fails if they contradict an option that was given.
    """

    RULES: ClassVar[Mapping[str, Rule]] = {'sharing': Rule(SHARING, 'cyclic')}

    def __init__(self, *args: Any, **options: Any) -> None:
        given = {name: options.pop(name, None) for name in self.RULES}
        for name, value in given.items():
            rule = self.RULES[name]
            number = rule.number and isinstance(value, int) and value > 0
            if value is not None and value not in rule.names and not number:
                raise ValueError(
                    f'{name} = {value!r}, allowed: {", ".join(rule.names)}'
                    + (' or a positive int' if rule.number else '')
                )
        self._given = {name: value for name, value in given.items() if value is not None}
        self.active_rules = {name: given[name] or rule.default for name, rule in self.RULES.items()}
        super().__init__(*args, **options)
        self.register_buffer('rules', torch.tensor(self.rule_codes))

    @property
    def phases(self) -> int:
        """Return the number of phases of the weight sharing: 2 if a width's channels alternate."""
        return num_phases(self.active_rules['sharing'])

    @property
    def sharing(self) -> str:
        """Return the name of the weight sharing."""
        return self.active_rules['sharing']

    def shared(self, widths: Sequence[int], value: int) -> Span:
        """Return the channels that one of some candidate widths uses in the active phase."""
        return self.span_of(widths, widths.index(value))

    def span_of(self, widths: Sequence[int], index: int) -> Span:
        return shared_span(self.sharing, widths, index, self.phase)

    def rebuild(self, arch: Any) -> SharedWeightBackbone:
        return type(self)(**self._options_of(arch), **self.active_rules)

    # ------------------------------------------------------------------ rules in checkpoints
    @property
    def rule_codes(self) -> list[int]:
        """Return each rule's number, or -1, -2, ... for its first, second, ... name."""
        return [
            value if isinstance(value, int) else -1 - self.RULES[name].names.index(value)
            for name, value in self.active_rules.items()
        ]

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        stored = state_dict.get(prefix + 'rules')
        if stored is not None and not stored.is_meta and stored.shape == self.rules.shape:
            error = self._adopt(stored.tolist())
            if error:
                args[-1].append(error)  # error_msgs
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _adopt(self, codes: list[int]) -> str | None:
        """Take over a checkpoint's rules; return an error message if they do not fit, else None."""
        for (name, rule), code in zip(self.RULES.items(), codes):
            if code < -len(rule.names) or code == 0 or (code > 0 and not rule.number):
                return f'the checkpoint has an unknown {name} ({code})'
            value = code if code > 0 else rule.names[-1 - code]
            matters = rule.of_subnets or not self.space.is_single
            if matters and self._given.get(name, value) != value:
                return (
                    f'the weights were trained with {name}={value!r}, and the model was built '
                    f'with {name}={self._given[name]!r}: give {value!r}, or leave it out'
                )
            self.active_rules[name] = value
        self.set_arch(self.arch, min(self.phase, self.phases - 1))
        return None
