"""Which weights paint: those that are named, the published ones, or the draft where these cannot be had."""

import os

from lipdub import weights
from lipdub.errors import WeightsUnavailableError
from lipdub.options import DEFAULT_WEIGHTS, DRAFT_WEIGHTS, SyncOptions
from lipdub.progress import Progress, fetching, silent
from lipdub.weights import WeightsFile


def network_file(options: SyncOptions, progress: Progress = silent) -> tuple[WeightsFile, tuple[str, ...]]:
    """The weights that the options mean, fetched if need be, and what is to be said of them.

    Where nobody named weights and no source of the published ones gives them, the draft weights are offered,
    or taken if the options allow it. Other bytes than were promised are an error in any case.

    Args:
        options: of the job.
        progress: told the bytes that are fetched.

    Raises:
        UnknownWeightsError: there are no weights of this name.
        WeightsUnavailableError: they cannot be had.
        WeightsHashError: there are others in their place.
    """
    name = options.network_weights
    try:
        if options.may_use_draft:
            _refuse_offline(name)
        return weights.resolve(name, progress=fetching(name, progress)), ()
    except WeightsUnavailableError as exc:
        if options.may_use_draft:
            return weights.resolve(DRAFT_WEIGHTS), (_said(exc.why),)
        if options.weights is None and name == DEFAULT_WEIGHTS:
            raise _offer(exc.why) from exc
        raise


def _refuse_offline(name: str) -> None:
    """Weights that others may stand in for are not fetched where LIPDUB_OFFLINE is set."""
    if os.environ.get("LIPDUB_OFFLINE") and weights.status(name).state == "missing":
        raise WeightsUnavailableError(f"The weights {name} are not here.", "LIPDUB_OFFLINE is set")


def _offer(why: str) -> WeightsUnavailableError:
    return WeightsUnavailableError(
        f"The weights {DEFAULT_WEIGHTS} could not be fetched: {why}; a preview needs no download with "
        f"--weights {DRAFT_WEIGHTS}.",
        why,
    )


def _said(why: str) -> str:
    return (
        f"the mouths are a preview, painted with the weights {DRAFT_WEIGHTS}, since {DEFAULT_WEIGHTS} could "
        f"not be fetched: {why}."
    )
