"""What a preview's numbers cost, against what a person would run instead, in one run on one volume.

Each way is a module named by_…, which offers `picture(path, number)` and `pictures(path)`: float32 (y, x) and (slice,
y, x). Each runs in a process of its own (child), so that its memory is its own, and all take turns. The peers have an
environment of their own, .venv/peers.
"""
