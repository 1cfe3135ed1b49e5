"""Finds training recipes: packaged ones by name, a user's own ones by path, and what they extend."""

from __future__ import annotations

from configs.preset_folder import PresetFolder

RECIPES = PresetFolder(
  noun='recipe', folder='recipes', listing='[dense, pruned_80]', content='pruning: {final_sparsity: 0.8}'
)
