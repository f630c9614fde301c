"""What beat has done, and how often."""

from typing import Any

from celery.schedules import schedule

# What no worker takes does not pile up for ever: it lives until the next one comes, and for no less time than clocks
# differ (accounts.tasks.HINT_SECONDS).
LEAST_LIFE = 1_800


def every(seconds: int, task: str) -> dict[str, Any]:
    return {"task": task, "schedule": schedule(seconds), "options": {"expires": max(seconds, LEAST_LIFE)}}


BEAT = {
    "sweep": every(10, "accounts.tasks.sweep"),
    "require-agreements": every(60, "accounts.tasks.require_due_versions"),
    "publish-releases": every(60, "datasets.tasks.publish_due_releases"),
    "count-downloads": every(60, "datasets.tasks.count_downloads"),
    # Hourly, for a day that has its anchor is left alone, and one whose hour was missed is not.
    "anchor-evidence": every(3_600, "datasets.tasks.anchor_evidence"),
    "remind": every(3_600, "datasets.tasks.remind_of_ends"),
    # Hourly too: the day's mail is written once, by whichever run comes first after six o'clock.
    "tell-reviewers": every(3_600, "datasets.tasks.tell_reviewers"),
    "forget": every(86_400, "accounts.tasks.forget_what_is_old"),
}
MEASURE = {"measure-work": every(60, "portal.tasks.measure_work")}
