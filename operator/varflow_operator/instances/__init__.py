"""Instances of workflows: one actor for each, which drives the engine and keeps its checkpoints."""
