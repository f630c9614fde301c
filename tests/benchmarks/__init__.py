"""`make bench`: what the site costs, as ratios in one run. No test asserts a time; these figures are for people."""
