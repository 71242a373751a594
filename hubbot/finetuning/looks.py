"""Looks at validation during training: when, which one is best, and when to stop."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hubbot.schema import GainRecipe


def steps_between_looks(recipe: GainRecipe, n_train: int) -> int:
    """Return the optimiser steps between two looks: an epoch, or ``validate_every`` rows."""
    if recipe.validate_every is None:
        return -(-n_train // recipe.batch_size)
    return max(1, recipe.validate_every // recipe.batch_size)


class Looks(TrainerCallback):
    """Looks at validation every so many steps and at the last one, and keeps the best weights.

    They are kept in memory, one copy on the CPU, which AdamW's state outweighs two to one: nothing
    is written to disk, so nothing has to be cleared away after a kill and no disk can be full.

    Source: patience and threshold count as in transformers' EarlyStoppingCallback (better than the
    best so far by more than the threshold), the best look as in ``load_best_model_at_end`` (the
    earliest of equals), the look at the last step as in its DefaultFlowCallback.
    """

    def __init__(
        self, look: Callable[[], float], *, every: int, patience: int, threshold: float
    ) -> None:
        """Set the rules.

        Args:
            look: Returns the score on validation, points; larger is better.
            every: Optimiser steps between two looks.
            patience: Looks in a row without improvement after which training stops.
            threshold: Points by which a score must improve to count.
        """
        self._look = look
        self._every = every
        self._patience = patience
        self._threshold = threshold
        self._idle = 0
        self._weights: dict[str, Tensor] = {}
        self.best_score = float("-inf")
        """Points."""
        self.best_step = 0
        """Optimiser steps taken before the best look."""

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Look if it is time to; transformers calls this."""
        if state.global_step % self._every and state.global_step < state.max_steps:
            return
        score = self._look()
        self._idle = 0 if score - self.best_score > self._threshold else self._idle + 1
        if score > self.best_score:
            self.best_score, self.best_step = score, state.global_step
            self._keep(kwargs["model"])
        if self._idle >= self._patience:
            control.should_training_stop = True

    @torch.no_grad()
    def _keep(self, model: torch.nn.Module) -> None:
        for name, tensor in model.state_dict().items():
            if name in self._weights:
                self._weights[name].copy_(tensor)
            else:
                self._weights[name] = tensor.detach().to("cpu", copy=True)

    def restore(self, model: torch.nn.Module) -> None:
        """Put the weights of the best look back."""
        model.load_state_dict(self._weights)
