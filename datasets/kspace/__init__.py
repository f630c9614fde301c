"""k-space on its own, without Django: reading volumes, reconstructing, measuring and showing them.

Importing this package, its errors, its reports and its sandbox loads neither numpy nor h5py: only the child process
that opens foreign files pays for those.
"""
