"""Archives of k-space as scanners record it, packed about as well as fastMRI's: half again by gzip, twice by xz."""

import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tests.benchmarks.kspace.volume import write_volume

# Slices of 640 × 368 with 15 coils: a volume of 113 MB, nine times, is 1 GB.
SLICES, COILS, READOUT, PHASE = 4, 15, 640, 368
MEMBERS = 9
# Towards its middle k-space grows far above the noise; a receiver's steps are so much finer than the noise.
PEAK, WIDTH, STEP = 60, 1 / 14, 1 / 1250


@dataclass(frozen=True)
class Kind:
    """At least so many times the speed of the slowest stage alone, or 0 where nothing is promised; the commands that
    pack it and unpack it.

    At the fastest level: what unpacking takes hangs on the packed bytes, of which there are hardly more."""

    name: str
    least: float
    pack: tuple[str, ...] = ()
    unpack: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return self.name.rpartition(".")[2]


KINDS = (
    Kind("volumes.tar", 0.5),
    Kind("volumes.tar.gz", 0.9, ("gzip", "-1", "-c"), ("gzip", "-dc")),
    Kind("volumes.tar.xz", 0.9, ("xz", "-0", "-c"), ("xz", "-dc")),
    Kind("volumes.tar.zst", 0, ("zstd", "-1", "-c"), ("zstd", "-dc")),
)


def write_scan(path: Path, slices: int = SLICES) -> None:
    """A volume whose numbers are noise that grows towards the middle, in a receiver's steps."""
    write_volume(path, (slices, COILS, READOUT, PHASE))
    rng = np.random.default_rng(1)
    y, x = np.linspace(-1, 1, READOUT)[:, None], np.linspace(-1, 1, PHASE)
    strength = (1 + PEAK * np.exp(-np.hypot(y, x) / WIDTH)).astype(np.float32)
    with h5py.File(path, "r+") as file:
        for number in range(slices):
            noise = rng.standard_normal((COILS, READOUT, PHASE, 2), dtype=np.float32)
            steps = np.rint(noise * strength[..., None] / np.float32(STEP)) * np.float32(STEP * 1e-6)
            file["kspace"][number] = steps.view(np.complex64)[..., 0]


def pack(volume: Path, kind: Kind, to: Path, members: int = MEMBERS) -> None:
    """The same volume under several names. It is packed once: streams that follow one another are one."""
    content = packed(volume.read_bytes(), kind)
    size = volume.stat().st_size
    to.parent.mkdir()
    with to.open("wb") as file:
        for number in range(members):
            facts = tarfile.TarInfo(f"train/file{number}.h5")
            facts.size = size
            file.write(packed(facts.tobuf(), kind))
            file.write(content)
            file.write(packed(bytes(-size % tarfile.BLOCKSIZE), kind))
        file.write(packed(bytes(2 * tarfile.BLOCKSIZE), kind))


def packed(content: bytes, kind: Kind) -> bytes:
    if not kind.pack:
        return content
    return subprocess.run(kind.pack, input=content, stdout=subprocess.PIPE, check=True).stdout
