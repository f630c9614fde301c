"""Releases: imported from the bucket, read once, checked, published, withdrawn."""

from datasets.services.releases.checks import Obstacle, obstacles_to, recorded_obstacles
from datasets.services.releases.dry_run import DryRun, dry_run
from datasets.services.releases.ingesting import Ingester, abandoned, ingest_due_archives
from datasets.services.releases.progress import Progress, progress_of
from datasets.services.releases.proposals import Proposal, Proposed, propose
from datasets.services.releases.publishing import (
    publish_due_releases,
    publish_release,
    publish_sample,
    schedule_release,
    undo_withdrawal,
    unschedule_release,
    withdraw_release,
)
from datasets.services.releases.registering import check, leave_out, read_again, register, reopen

__all__ = [
    "DryRun",
    "Ingester",
    "Obstacle",
    "Progress",
    "Proposal",
    "Proposed",
    "abandoned",
    "check",
    "dry_run",
    "ingest_due_archives",
    "leave_out",
    "obstacles_to",
    "progress_of",
    "propose",
    "publish_due_releases",
    "publish_release",
    "publish_sample",
    "read_again",
    "recorded_obstacles",
    "register",
    "reopen",
    "schedule_release",
    "undo_withdrawal",
    "unschedule_release",
    "withdraw_release",
]
