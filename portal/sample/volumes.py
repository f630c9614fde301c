"""HDF5 files as fastMRI lays them out, from what a scanner acquired.

| data set | shape | in |
|---|---|---|
| kspace, complex64 | (slice, coil, readout, phase), of a single coil (slice, readout, phase) | every file |
| reconstruction_rss, float32 | (slice, y, x) | train and validation |
| reconstruction_esc, float32 | (slice, y, x) | single-coil train and validation |
| mask, bool | (phase,) | test |
| ismrmrd_header | XML | every file |
"""

import hashlib
import io
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from datasets.kspace.fourier import centre_crop, ifft2c
from datasets.kspace.masks import CENTRE_SHARE, equispaced_mask
from portal.sample.fields import Field
from portal.sample.scanner import KSpace, Protocol, combined_picture, emulate_single_coil

TIMES = {
    "AXT1": (500, 9.3, 0),
    "AXT1POST": (500, 9.3, 0),
    "AXT2": (6000, 103, 0),
    "AXFLAIR": (9000, 78, 2500),
    "CORPD_FBK": (2750, 27, 0),
    "CORPDFS_FBK": (2870, 33, 0),
}


@dataclass(frozen=True)
class Scan:
    """What one examination left: k-space (slice, coil, readout, phase) and what was set."""

    name: str
    acquisition: str
    protocol: Protocol
    kspace: KSpace

    def reconstruction(self) -> Field:
        """Root sum of squares, (slice, y, x)."""
        size = self.protocol.size, self.protocol.size
        return np.stack([combined_picture(part, size) for part in self.kspace])


def multicoil_file(scan: Scan) -> bytes:
    """A file of the train or validation split."""
    return write(scan, {"kspace": scan.kspace, "reconstruction_rss": scan.reconstruction()})


def singlecoil_file(scan: Scan) -> bytes:
    """The same scan as one coil would have heard it, with its own reconstruction beside that of all coils."""
    size = scan.protocol.size, scan.protocol.size
    kspace = np.stack([emulate_single_coil(part, scan.protocol) for part in scan.kspace])
    single = np.abs(centre_crop(ifft2c(kspace), size)).astype(np.float32)
    return write(scan, {"kspace": kspace, "reconstruction_esc": single, "reconstruction_rss": scan.reconstruction()})


def test_file(scan: Scan, acceleration: int, offset: int) -> bytes:
    """A file of the test split: columns outside the mask are zero, and no reconstruction tells what was there."""
    share = CENTRE_SHARE[acceleration]
    mask = equispaced_mask(
        "equispaced", scan.protocol.phase, acceleration=acceleration, centre_share=share, offset=offset
    )
    reference = scan.reconstruction()
    # Adding zero turns a negative zero, which would betray the sign of what was removed, into a plain one.
    masked = np.where(mask, scan.kspace, np.complex64(0)) + np.complex64(0)
    extra = {"acceleration": acceleration, "num_low_frequency": round(scan.protocol.phase * share)}
    return write(scan, {"kspace": masked, "mask": mask}, reference, extra)


def write(
    scan: Scan, arrays: dict[str, NDArray], reference: Field | None = None, extra: dict[str, int] | None = None
) -> bytes:
    """The file's bytes: contiguous, uncompressed, and the same whenever they are written."""
    target = arrays.get("reconstruction_esc", arrays.get("reconstruction_rss", reference))
    if target is None:
        raise ValueError(f"{scan.name}: the largest value of the reconstruction is an attribute of every file.")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, track_times=False)
        file.create_dataset("ismrmrd_header", data=header(scan), track_times=False)
        file.attrs["acquisition"] = scan.acquisition
        file.attrs["max"] = float(target.max())
        file.attrs["norm"] = float(np.linalg.norm(target))
        file.attrs["patient_id"] = hashlib.sha256(scan.name.encode()).hexdigest()
        for key, value in (extra or {}).items():
            file.attrs[key] = value
    return buffer.getvalue()


def header(scan: Scan) -> bytes:
    """The ISMRMRD header: matrices, fields of view, and which of the phase columns were measured."""
    p = scan.protocol
    height, width = p.field_of_view
    tr, te, ti = TIMES[scan.acquisition]
    lines = p.measured.stop - p.measured.start
    return f"""<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
  <measurementInformation>
    <patientPosition>{"FFS" if scan.acquisition.startswith("COR") else "HFS"}</patientPosition>
    <protocolName>{scan.acquisition}</protocolName>
  </measurementInformation>
  <acquisitionSystemInformation>
    <systemVendor>SIMULATED</systemVendor>
    <systemModel>none</systemModel>
    <systemFieldStrength_T>{p.field_strength}</systemFieldStrength_T>
    <receiverChannels>{p.coils}</receiverChannels>
  </acquisitionSystemInformation>
  <experimentalConditions>
    <H1resonanceFrequency_Hz>{round(42_577_478 * p.field_strength)}</H1resonanceFrequency_Hz>
  </experimentalConditions>
  <encoding>
    <encodedSpace>
      <matrixSize><x>{p.readout}</x><y>{p.phase}</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>{2 * height:g}</x><y>{width:g}</y><z>{1.5 * p.slice_mm:g}</z></fieldOfView_mm>
    </encodedSpace>
    <reconSpace>
      <matrixSize><x>{p.size}</x><y>{p.size}</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>{height:g}</x><y>{height:g}</y><z>{p.slice_mm:g}</z></fieldOfView_mm>
    </reconSpace>
    <trajectory>cartesian</trajectory>
    <encodingLimits>
      <kspace_encoding_step_1>
        <minimum>0</minimum><maximum>{lines - 1}</maximum><center>{lines // 2}</center>
      </kspace_encoding_step_1>
      <slice><minimum>0</minimum><maximum>{len(scan.kspace) - 1}</maximum><center>0</center></slice>
    </encodingLimits>
  </encoding>
  <sequenceParameters>
    <TR>{tr}</TR>
    <TE>{te}</TE>
    <TI>{ti}</TI>
    <sequence_type>TurboSpinEcho</sequence_type>
  </sequenceParameters>
</ismrmrdHeader>
""".encode()
