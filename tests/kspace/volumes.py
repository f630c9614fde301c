"""Small valid files of every layout, for tests to read, to break and to show. All numbers come from a seed.

The phantom is an ellipse with a bright disc, seen by coils around it, so that a picture of it can be recognised.
Definitions are spelled out in plain numpy here, apart from the code that is tested.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

COMPLEX = np.complex64
Size = tuple[int, int]
NAMESPACE = "http://www.ismrm.org/ISMRMRD"

IDX = np.dtype(
    [
        ("kspace_encode_step_1", "<u2"),
        ("kspace_encode_step_2", "<u2"),
        *((name, "<u2") for name in ("average", "slice", "contrast", "phase", "repetition", "set", "segment")),
        ("user", "<u2", (8,)),
    ]
)
HEAD = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", (3,)),
        ("number_of_samples", "<u2"),
        ("available_channels", "<u2"),
        ("active_channels", "<u2"),
        ("channel_mask", "<u8", (16,)),
        *((name, "<u2") for name in ("discard_pre", "discard_post", "center_sample")),
        *((name, "<u2") for name in ("encoding_space_ref", "trajectory_dimensions")),
        ("sample_time_us", "<f4"),
        *((name, "<f4", (3,)) for name in ("position", "read_dir", "phase_dir", "slice_dir", "patient_table_position")),
        ("idx", IDX),
        ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
    ]
)
LINE = np.dtype([("head", HEAD), ("traj", h5py.vlen_dtype(np.float32)), ("data", h5py.vlen_dtype(np.float32))])
NOISE, REVERSE = 1 << 18, 1 << 21


def kspace(slices: int = 3, coils: int = 4, readout: int = 64, phase: int = 48, seed: int = 0) -> NDArray[COMPLEX]:
    """k-space of the phantom, complex64, (slice, coil, readout, phase); its middle half of the readout is anatomy."""
    random = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(-2, 2, readout), np.linspace(-1.2, 1.2, phase), indexing="ij")
    images = np.empty((slices, coils, readout, phase), COMPLEX)
    for number in range(slices):
        anatomy = ((y / 0.8) ** 2 + x**2 < 1) + 0.8 * ((y + 0.3) ** 2 + (x - 0.1 * number) ** 2 < 0.1)
        for coil in range(coils):
            angle = 2 * np.pi * coil / coils
            heard = np.exp(-((y - np.sin(angle)) ** 2) - (x - np.cos(angle)) ** 2 + 1j * (angle + x))
            noise = random.standard_normal((readout, phase)) + 1j * random.standard_normal((readout, phase))
            images[number, coil] = anatomy * heard + 0.01 * noise
    shifted = np.fft.ifftshift(images, axes=(-2, -1))
    return np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1)).astype(COMPLEX)


def images(values: NDArray[COMPLEX], size: Size) -> NDArray[COMPLEX]:
    """Centred orthonormal inverse FFT over the last two axes, cropped about the middle to (height, width)."""
    whole = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(values, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))
    top, left = (whole.shape[-2] - size[0]) // 2, (whole.shape[-1] - size[1]) // 2
    return whole[..., top : top + size[0], left : left + size[1]].astype(COMPLEX)


def root_sum_of_squares(values: NDArray[COMPLEX], size: Size) -> NDArray[np.float32]:
    """(…, coil, readout, phase) to (…, y, x)."""
    return np.sqrt((np.abs(images(values, size)) ** 2).sum(axis=-3)).astype(np.float32)


def header(readout: int, phase: int, size: Size, *, centre: int | None = None, maximum: int | None = None) -> bytes:
    """The ISMRMRD header as fastMRI's files carry it: matrices, limits of the phase encoding, what was set."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="{NAMESPACE}">
  <acquisitionSystemInformation><systemFieldStrength_T>2.8936</systemFieldStrength_T></acquisitionSystemInformation>
  <encoding>
    <encodedSpace>
      <matrixSize><x>{readout}</x><y>{phase}</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>440</x><y>264</y><z>7.5</z></fieldOfView_mm>
    </encodedSpace>
    <reconSpace>
      <matrixSize><x>{size[0]}</x><y>{size[1]}</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>220</x><y>220</y><z>5</z></fieldOfView_mm>
    </reconSpace>
    <trajectory>cartesian</trajectory>
    <encodingLimits>
      <kspace_encoding_step_1>
        <minimum>0</minimum>
        <maximum>{phase - 1 if maximum is None else maximum}</maximum>
        <center>{phase // 2 if centre is None else centre}</center>
      </kspace_encoding_step_1>
    </encodingLimits>
  </encoding>
  <sequenceParameters><TR>2800</TR><TE>27.5</TE><TE>99</TE><TI>100</TI><flipAngle_deg>140</flipAngle_deg></sequenceParameters>
</ismrmrdHeader>
""".encode()


def multicoil(
    path: Path,
    values: NDArray | None = None,
    *,
    size: Size = (32, 32),
    xml: bytes | str | None = b"",
    stored: bool = True,
    acquisition: Any = "AXT2",
    **storage: Any,
) -> Path:
    """A multi-coil file of the train split. `storage` is create_dataset's: chunks, compression, shuffle …
    `xml` None: no header; empty: the header that belongs to the numbers."""
    values = kspace() if values is None else values
    arrays = {"reconstruction_rss": root_sum_of_squares(values, size)} if stored else {}
    return _write(path, values, arrays, size, xml, acquisition, storage)


def singlecoil(path: Path, values: NDArray | None = None, *, size: Size = (32, 32), **storage: Any) -> Path:
    """A single-coil file: kspace (slice, readout, phase), with the reconstruction of that coil and one of all."""
    values = kspace(coils=1)[:, 0] if values is None else values
    alone = np.abs(images(values, size)).astype(np.float32)
    arrays = {"reconstruction_esc": alone, "reconstruction_rss": 2 * alone}
    return _write(path, values, arrays, size, b"", "CORPD_FBK", storage)


def test_split(path: Path, *, size: Size = (32, 32), **storage: Any) -> Path:  # noqa: PT028
    """A file of the test split: columns outside the mask are zero, and there is no reconstruction."""
    values = kspace()
    phase = values.shape[-1]
    mask = np.arange(phase) % 4 == 1
    mask[phase // 2 - 2 : phase // 2 + 2] = True
    return _write(path, np.where(mask, values, COMPLEX(0)), {"mask": mask}, size, b"", "AXFLAIR", storage)


# pytest would take the function for a test where a test file imports it by its name.
test_split.__test__ = False  # type: ignore[attr-defined]


def prostate(path: Path, *, averages: int = 3, size: Size = (32, 32), **storage: Any) -> Path:
    """(average, slice, coil, readout, phase): each average has every other column, the picture is stored."""
    values = kspace()
    parts = np.stack([values * (np.arange(values.shape[-1]) % 2 == number % 2) for number in range(averages)])
    arrays = {"reconstruction_rss": root_sum_of_squares(values, size), "calibration_data": values[..., :8]}
    return _write(path, parts, arrays, size, b"", "T2", storage)


def breast(path: Path, *, spokes: int = 8, frames: int = 2, stored: bool = True, **storage: Any) -> Path:
    """(2: real and imaginary, spoke, sample, coil, slice) float64; the picture is `temptv`, (slice, frame, y, x)."""
    random = np.random.default_rng(1)
    picture = root_sum_of_squares(kspace(slices=5), (32, 32))
    with h5py.File(path, "w") as file:
        file.create_dataset("kspace", data=random.standard_normal((2, spokes, 64, 4, 3)), **storage)
        if stored:
            file.create_dataset("temptv", data=np.stack([picture * (1 + n) for n in range(frames)], axis=1))
    return path


def ismrmrd(
    path: Path,
    values: NDArray[COMPLEX] | None = None,
    *,
    size: Size = (32, 32),
    xml: bytes | None = None,
    noise: bool = True,
    reverse: bool = False,
    twice: bool = False,
) -> Path:
    """One acquisition a line, slices interleaved, after a noise scan. `reverse`: every other line was read backwards;
    `twice`: two averages, of which the second is 1.5 times the first."""
    values = kspace() if values is None else values
    slices, coils, readout, phase = values.shape
    rows = [_line(np.ones((coils, 16), COMPLEX), flags=NOISE)] if noise else []
    for average in range(1 + twice):
        for column in range(phase):
            for number in range(slices):
                line = values[number, :, :, column] * COMPLEX(1 + 0.5 * average)
                back = reverse and column % 2
                flags = REVERSE if back else 0
                rows.append(_line(line[:, ::-1] if back else line, flags, (column, number, average)))
    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        group.create_dataset("xml", (1,), h5py.string_dtype())[0] = (xml or header(readout, phase, size)).decode()
        table = group.create_dataset("data", (len(rows),), LINE, maxshape=(None,), chunks=(1,))
        for index, row in enumerate(rows):
            table[index] = row[0]
    return path


def _line(values: NDArray, flags: int = 0, index: tuple[int, int, int] = (0, 0, 0)) -> NDArray:
    """An acquisition of (coil, sample) at (step 1, slice, average)."""
    row = np.zeros(1, LINE)
    head = row["head"][0]
    head["version"], head["flags"] = 1, flags
    head["active_channels"], head["number_of_samples"] = values.shape
    head["center_sample"] = values.shape[1] // 2
    head["idx"]["kspace_encode_step_1"], head["idx"]["slice"], head["idx"]["average"] = index
    row["traj"][0] = np.zeros(0, np.float32)
    row["data"][0] = np.ascontiguousarray(values).view(np.float32).ravel()
    return row


def _write(
    path: Path,
    values: NDArray,
    arrays: dict[str, NDArray],
    size: Size,
    xml: bytes | str | None,
    acquisition: Any,
    storage: dict[str, Any],
) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("kspace", data=values, **storage)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        if xml is not None:
            readout, phase = values.shape[-2:]
            file.create_dataset("ismrmrd_header", data=xml or header(readout, phase, size))
        if acquisition is not None:
            file.attrs["acquisition"] = acquisition
        file.attrs["max"] = float(np.abs(values).max(initial=0))
        file.attrs["patient_id"] = "0" * 64
    return path
