"""Many movies at once: a manifest, checked as a whole, done row by row, and resumed where it stopped."""

from lipdub.batch.job import Job, job_key
from lipdub.batch.manifest import Manifest, read_manifest
from lipdub.batch.results import Outcome, Results, load_results, results_path
from lipdub.batch.runner import BatchResult, Report, RowEvent, SyncFunction, run_batch
from lipdub.table import Form

__all__ = [
    "BatchResult",
    "Form",
    "Job",
    "Manifest",
    "Outcome",
    "Report",
    "Results",
    "RowEvent",
    "SyncFunction",
    "job_key",
    "load_results",
    "read_manifest",
    "results_path",
    "run_batch",
]
