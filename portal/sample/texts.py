"""What the catalogue says of the sample datasets. All of it is true of them: they are simulated."""

KNEE_SUMMARY = "Simulated coronal scans of the knee: proton density with and without fat suppression, 4 coils."

KNEE_DESCRIPTION = """\
These scans are **simulated**: no patient was measured. They exist so that this site can be tried from registration to
the last byte, and so that programs that read raw MRI data have something of the right shape to read.

Each knee is a drawn three-dimensional model: femur, tibia, fibula and patella with cortex and marrow, cartilage,
menisci, cruciate and collateral ligaments, muscles, fat and skin. It is bent and scaled a little differently for each
volume, and cut into coronal sections. A section is seen by four receiver coils around the leg, Fourier-transformed,
given noise, and rounded to the converter's step.

Only a few sections of each examination are kept, so that all of it stays small.

## What a volume holds

Each HDF5 file is one examination, laid out as in fastMRI:

| key | holds |
|---|---|
| `kspace` | complex64, (slice, coil, readout, phase); single-coil (slice, readout, phase) |
| `reconstruction_rss` | float32, (slice, y, x): root sum of squares; not in the test split |
| `reconstruction_esc` | float32, (slice, y, x): the single coil's own picture, in single-coil files |
| `mask` | bool, (phase,): which columns were kept, in the test split |
| `ismrmrd_header` | XML: matrices, fields of view, encoding limits |

The readout is oversampled twice, and the outermost phase columns were not measured and are zero. Rows are stored
upside down, as in the real data: flip them to show a picture.
"""

# The template's licence asks that its copyright be named wherever it goes.
TEMPLATE_NOTICE = (
    "Simulated from the ICBM152 2009a template, copyright 1993–2004 Louis Collins, McConnell Brain Imaging Centre, "
    "Montreal Neurological Institute, McGill University."
)

BRAIN_SUMMARY = "Simulated axial scans of the head: T1, T1 with contrast agent, T2 and FLAIR, 4 or 8 coils."

BRAIN_DESCRIPTION = f"""\
These scans are **simulated**: no patient was measured. They exist so that this site can be tried from registration to
the last byte, and so that programs that read raw MRI data have something of the right shape to read.

Each brain is the MNI152 average of 152 people, deformed a little differently for each volume and sharpened into grey
matter, white matter and fluid. Skull, scalp and eyes, which the average does not have, are drawn around it. Four
contrasts are mixed from the tissues. A slice is seen by four or eight receiver coils around the head,
Fourier-transformed, given noise, and rounded to the converter's step. {TEMPLATE_NOTICE}

Only a few slices of each examination are kept, so that all of it stays small.

## What a volume holds

Each HDF5 file is one examination, laid out as in fastMRI:

| key | holds |
|---|---|
| `kspace` | complex64, (slice, coil, readout, phase) |
| `reconstruction_rss` | float32, (slice, y, x): root sum of squares; not in the test split |
| `mask` | bool, (phase,): which columns were kept, in the test split |
| `ismrmrd_header` | XML: matrices, fields of view, encoding limits |

The readout is oversampled twice, and the outermost phase columns were not measured and are zero. Rows are stored
upside down, as in the real data: flip them to show a picture.
"""

FORMAT_CITATION = """\
Zbontar J, Knoll F, Sriram A, et al. fastMRI: An Open Dataset and Benchmarks for Accelerated MRI. arXiv:1811.08839
(the format that these files follow).
"""

TEMPLATE_CITATION = """\
Fonov V, Evans AC, Botteron K, et al. Unbiased average age-appropriate atlases for pediatric studies. *NeuroImage*
2011; 54:313–327. doi:10.1016/j.neuroimage.2010.07.033 (the template that the brains are made from).
"""

KNEE_NOTES = """\
The first release of simulated knees. Five scans are fully sampled. Of the two in the test split one keeps every fourth
column and the central 8 %, the other every eighth and the central 4 %. The single-coil archive holds the validation
scans once more, as one coil would have heard them.
"""

BRAIN_NOTES = """\
The first release of simulated heads. Six scans are fully sampled. Of the two in the test split one keeps every fourth
column and the central 8 %, the other every eighth and the central 4 %.
"""
