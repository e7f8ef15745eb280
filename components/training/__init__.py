"""Training of any model in the catalogue, as plain functions: the graph's steps and the tests call these."""

from components.training.assembly import assemble
from components.training.candidates import train_candidate
from components.training.evaluation import evaluate

__all__ = ["assemble", "evaluate", "train_candidate"]
