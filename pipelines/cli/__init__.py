"""The ``arthaflow`` command. Each command is a file; heavy libraries are imported when a command runs."""

from __future__ import annotations

import sys

import typer

from components.errors import ArthaflowError
from pipelines.cli import (
    ask,
    audit,
    console,
    demo,
    drift,
    experiments,
    explain,
    graph,
    jobs,
    models,
    predict,
    records,
    rollout,
    serve,
    submit,
    token,
    tune,
    values,
)

app = typer.Typer(
    name="arthaflow",
    help="Train, register, serve, explain, watch and roll out finance models: on a laptop, or on Kubeflow.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models.app, name="models")
app.command("run")(graph.run)
app.command("tune")(tune.tune)
app.command("compile")(graph.compile_)
app.command("submit")(submit.submit)
app.command("values")(values.values)
app.command("serve")(serve.serve)
app.command("stop")(serve.stop)
app.command("predict")(predict.predict)
app.command("ask")(ask.ask)
app.command("explain")(explain.explain)
app.command("drift")(drift.drift)
app.add_typer(rollout.app, name="rollout")
app.add_typer(jobs.app, name="jobs")
app.add_typer(token.app, name="token")
app.add_typer(records.app, name="records")
app.add_typer(audit.app, name="audit")
app.add_typer(experiments.app, name="experiments")
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command; an error becomes one message with its remedy, and exit code 1."""
    try:
        app()
    except ArthaflowError as error:
        console.show_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        console.err.print("Interrupted.")
        sys.exit(130)
