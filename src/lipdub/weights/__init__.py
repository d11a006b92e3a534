"""Weights by name: weights.toml → a cached, hash-checked file.

Importing this package is cheap; what talks to the network is imported when it is first needed.
"""

from lipdub.weights.catalogue import (
    Entry,
    HubSource,
    PackageSource,
    Source,
    UrlSource,
    load_catalogue,
)
from lipdub.weights.folders import cache_folder, notice_due, notice_shown
from lipdub.weights.store import Status, WeightsFile, locate, locate_if_possible, resolve, status, verify

__all__ = [
    "Entry",
    "HubSource",
    "PackageSource",
    "Source",
    "Status",
    "UrlSource",
    "WeightsFile",
    "cache_folder",
    "load_catalogue",
    "locate",
    "locate_if_possible",
    "notice_due",
    "notice_shown",
    "resolve",
    "status",
    "verify",
]
