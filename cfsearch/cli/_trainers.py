"""Trainers, by name; the contract stands in ``cfsearch.trainer``."""

from cfsearch.trainer import Labelled, Learned, Source, State, Trainer, Wish, open_trainer

__all__ = ["Labelled", "Learned", "Source", "State", "Trainer", "Wish", "open_trainer"]
