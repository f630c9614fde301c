"""What people know of the dataset under chaos."""

SLUG = "chaos"
ARCHIVE = "chaos_sample.tar"
