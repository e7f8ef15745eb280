"""How a pipeline ended, from what the backend tells its exit handler, which is not always enough.

Kubeflow's backend hands over the metadata store's word for the group of steps: ``COMPLETE`` for success (the local
runner says ``SUCCEEDED``), and ``RUNNING`` for a group with a loop in it, however that ended
(kubeflow/pipelines#11826, #13321). A run that trains leaves a verdict in MLflow, which then decides.
"""

from __future__ import annotations

from typing import Literal

from components.errors import ArthaflowError
from components.registry.lineage import PREFIX

Ending = Literal["well", "badly", "untold"]

WELL = frozenset({"SUCCEEDED", "COMPLETE", "CACHED"})
UNTOLD = frozenset({"", "RUNNING", "NEW", "PENDING", "UNKNOWN", "STATE_UNSPECIFIED", "RUNTIME_STATE_UNSPECIFIED"})
VERDICTS = frozenset({"promoted", "refused"})


def meaning(state: str) -> Ending:
    """Return what a state says by itself."""
    if state in WELL:
        return "well"
    return "untold" if state in UNTOLD else "badly"


def ending(model: str, run_id: str, state: str, decides: bool = True) -> Ending:
    """Return how a run ended.

    Parameters
    ----------
    model : str
        Name in the catalogue.
    run_id : str
        Of the pipeline.
    state : str
        As the backend or the local runner tells it.
    decides : bool
        Whether a run that ends well registers or refuses a version.
    """
    found = meaning(state)
    if found != "untold" or not decides:
        return found
    try:
        return "well" if _has_verdict(model, run_id) else "badly"
    except (ArthaflowError, OSError):
        return "untold"


def _has_verdict(model: str, run_id: str) -> bool:
    from components.registry.tracking import explained, is_empty, open_client
    from components.settings import settings

    config = settings()
    if is_empty(config):
        return False
    client = open_client(config)
    with explained(config):
        experiment = client.get_experiment_by_name(model)
        if experiment is None:
            return False
        rows = client.search_runs([experiment.experiment_id], filter_string=f"tags.`{PREFIX}run_id` = '{run_id}'")
    return any(row.data.tags.get(f"{PREFIX}verdict") in VERDICTS for row in rows)
