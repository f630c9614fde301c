"""Previews: which volumes get one, making those that are due, keeping their pictures, and showing them."""

from datasets.services.previews.pictures import Picture, bytes_of, find_picture, forget_pictures
from datasets.services.previews.plans import plan_previews, render_again, render_volumes
from datasets.services.previews.progress import Progress, progress_of
from datasets.services.previews.rendering import render_due_previews

__all__ = [
    "Picture",
    "Progress",
    "bytes_of",
    "find_picture",
    "forget_pictures",
    "plan_previews",
    "progress_of",
    "render_again",
    "render_due_previews",
    "render_volumes",
]
