"""The main job: one model from real prices to a canary, on one machine, with nothing installed but packages."""

from pipelines.demo.run import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
