"""Sums over download records, counted by a worker as records come, so that no page counts records."""

from datasets.services.statistics.counting import count_downloads, hold_count
from datasets.services.statistics.people import forget_counted
from datasets.services.statistics.standing import Median, Standing, standing_of_access, take_standing

__all__ = [
    "Median",
    "Standing",
    "count_downloads",
    "forget_counted",
    "hold_count",
    "standing_of_access",
    "take_standing",
]
