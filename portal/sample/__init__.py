"""Simulated scans for the demo: real fastMRI-format volumes in archives, made from nothing in a few seconds.

anatomy (knee, head) → receiver coils and k-space (scanner) → HDF5 (volumes) → tar (archives) → `generate`.
`python -m portal.sample --out DIR` runs it alone; `portal.sample.load` puts the result into a site.
"""

from portal.sample.archives import SampleArchive, SampleVolume
from portal.sample.generate import SampleDataset, generate
from portal.sample.nifti import TemplateMissingError

__all__ = ["SampleArchive", "SampleDataset", "SampleVolume", "TemplateMissingError", "generate"]
