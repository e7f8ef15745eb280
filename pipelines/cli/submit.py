"""``arthaflow submit``: a graph on a Kubeflow Pipelines cluster, once or on a schedule."""

from __future__ import annotations

from typing import Annotated

import typer

from components.catalog import get_spec
from pipelines.cli.console import err, out, print_json

CLUSTER = "Where the steps run"


def submit(
    model: Annotated[str, typer.Argument(help="Name in the catalogue, see `arthaflow models`.")],
    graph: Annotated[str, typer.Option(help="train, tune, drift or rollout.")] = "train",
    param: Annotated[list[str] | None, typer.Option(help="An argument of the graph, as name=value; repeat it.")] = None,
    until: Annotated[str, typer.Option(help="Use data up to this ISO date only; as --param until=...")] = "",
    cron: Annotated[
        str, typer.Option(help="Six fields, seconds first, to run on a schedule; `spec` for the spec's own.")
    ] = "",
    experiment: Annotated[str, typer.Option(help="Experiment in the Kubeflow UI.")] = "arthaflow",
    name: Annotated[str, typer.Option(help="Name of the run; `<graph> <model>` otherwise.")] = "",
    once: Annotated[bool, typer.Option("--once", help="Start nothing if the experiment has a run so named.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run; exit code 1 when it fails.")] = False,
    timeout: Annotated[float, typer.Option(help="With --wait: seconds, 0 for as long as it takes.")] = 0.0,
    poll: Annotated[float, typer.Option(help="With --wait: seconds between two looks.")] = 10.0,
    cache: Annotated[
        bool | None, typer.Option("--cache/--no-cache", help="Switch Kubeflow's cache for every step.")
    ] = None,
    host: Annotated[str, typer.Option(help="URL of the Kubeflow Pipelines API.", envvar="ARTHAFLOW_KFP_HOST")] = "",
    namespace: Annotated[
        str, typer.Option(help="Your profile, where Kubeflow has several users.", envvar="ARTHAFLOW_KFP_NAMESPACE")
    ] = "",
    pipeline_root: Annotated[
        str, typer.Option(help="Where outputs go; Kubeflow's default otherwise.", envvar="ARTHAFLOW_PIPELINE_ROOT")
    ] = "",
    service_account: Annotated[
        str, typer.Option(help="Of the steps' pods.", envvar="ARTHAFLOW_SERVICE_ACCOUNT", rich_help_panel=CLUSTER)
    ] = "",
    node_selector: Annotated[
        list[str] | None,
        typer.Option(help="key=value; repeat it.", envvar="ARTHAFLOW_NODE_SELECTOR", rich_help_panel=CLUSTER),
    ] = None,
    accelerator_selector: Annotated[
        list[str] | None,
        typer.Option(
            help="key=value, for the steps with an accelerator.",
            envvar="ARTHAFLOW_ACCELERATOR_SELECTOR",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    toleration: Annotated[
        list[str] | None,
        typer.Option(
            help="key, key=value or key=value:effect.", envvar="ARTHAFLOW_TOLERATION", rich_help_panel=CLUSTER
        ),
    ] = None,
    pull_secret: Annotated[
        list[str] | None,
        typer.Option(help="Secret of the image registry.", envvar="ARTHAFLOW_PULL_SECRET", rich_help_panel=CLUSTER),
    ] = None,
    accelerator: Annotated[
        str, typer.Option(help="In place of the spec's, as nvidia.com/gpu or a MIG profile's.", rich_help_panel=CLUSTER)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Submit a graph to a Kubeflow Pipelines cluster, once or on a schedule.

    A token, where one is needed, is read from ARTHAFLOW_KFP_TOKEN or from the pod's own volume.

    Example: [bold]arthaflow submit price_forecast --host http://localhost:8080 --wait[/bold]

    Example: [bold]arthaflow submit price_forecast --graph drift --cron "0 0 * * * *"[/bold]
    """
    from dataclasses import asdict

    from pipelines.cluster_options import ClusterOptions, read_labels, read_tolerations
    from pipelines.graph_arguments import read_pairs
    from pipelines.submit import submit as submit_graph
    from pipelines.watch import wait as follow

    spec = get_spec(model)
    if wait and cron:
        raise typer.BadParameter("a schedule has no end to wait for: leave --wait or --cron out", param_hint="--wait")
    answer = submit_graph(
        spec.name,
        host,
        graph=graph,
        arguments={**({"until": until} if until else {}), **read_pairs(param or ())},
        experiment=experiment,
        cron=cron,
        run_name=name,
        once=once,
        namespace=namespace,
        pipeline_root=pipeline_root,
        service_account=service_account,
        options=ClusterOptions(
            node_selector=read_labels(node_selector or ()),
            accelerator_selector=read_labels(accelerator_selector or ()),
            tolerations=read_tolerations(toleration or ()),
            pull_secrets=tuple(pull_secret or ()),
            accelerator=accelerator,
            caching=cache,
        ),
    )
    if as_json:
        print_json(asdict(answer))
    else:
        out.print(f"{'There already' if answer.existed else 'Submitted'}: {answer}", soft_wrap=True)
        for other in answer.replaced:
            out.print(f"Replaced: recurring run {other}")
    if wait:
        console = err if as_json else out
        follow(
            host,
            answer.id,
            namespace=namespace,
            timeout_s=timeout,
            poll_s=poll,
            show=lambda step: console.print(f"{step.state.lower():<10} {step.name}"),
        )
        console.print("[green]Succeeded.[/green]")
