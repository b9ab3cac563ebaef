# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reading.hdf5: sizes that a file declares, against its bytes."""

import os

import pytest

h5py = pytest.importorskip('h5py')

from model_pruning import errors
from model_pruning.reading import hdf5
from model_pruning.reporting import report


def _huge(f, shape, dtype='f4', **kwargs):
  f.create_dataset('a/b', shape, dtype, chunks=(1,) * len(shape), **kwargs)


HUGE = {
    'one dimension': lambda f: _huge(f, (2**40,)),
    'several': lambda f: _huge(f, (2**20, 2**20, 2**20)),
    'more than 64 bits': lambda f: _huge(f, (2**31, 2**31, 2**31)),
    'bytes': lambda f: _huge(f, (2**29,), 'i1'),
    'large elements': lambda f: _huge(f, (2**10,), 'S1000000'),
    'one value for all': lambda f: _huge(f, (2**28,), fillvalue=1),
    'many arrays': lambda f: [
        f.create_dataset('layer_%d' % n, (2**24,), 'f4', chunks=(1,)) for n in range(10)],
    'compressed zeros': lambda f: f.create_dataset('a', (2**27,), 'f4', chunks=(2**20,),
                                                   compression='gzip'),
    'many chunks': lambda f: _huge(f, (2**20,)),
    'many small chunks': lambda f: f.create_dataset('a', (2**10, 2**12), 'f4', chunks=(2, 2)),
    'a huge chunk': lambda f: f.create_dataset('a', (1,), 'f4', chunks=(2**29,), maxshape=(None,)),
}


@pytest.mark.parametrize('kind', sorted(HUGE))
def test_arrays_of_which_nothing_is_stored(kind, tmp_path):
  path = str(tmp_path / 'x.weights.h5')
  with h5py.File(path, 'w') as f:
    f.create_dataset('fc/kernel', data=[[1.0, 0.0]])
    HUGE[kind](f)
  assert os.path.getsize(path) < 10**6
  with h5py.File(path, 'r') as f:
    with pytest.raises(errors.ModelFileError, match='would take .*, but the file has'):
      hdf5.check(f, path, os.path.getsize(path))
  with pytest.raises(errors.ModelFileError, match='would take'):
    report.of(path)


@pytest.mark.parametrize('write', [
    lambda f: f.__setitem__('fc/kernel', h5py.ExternalLink('other.h5', '/x')),
    lambda f: f.create_dataset('fc/kernel', (4,), 'f4', external=[('other.bin', 0, 16)]),
    lambda f: f.create_dataset('deep/er/kernel', (4,), 'f4', external=[('/etc/hostname', 0, 16)]),
    lambda f: f.create_virtual_dataset('fc/kernel', _layout()),
])
def test_other_files_are_not_read(write, tmp_path):
  path = str(tmp_path / 'x.weights.h5')
  with h5py.File(path, 'w') as f:
    write(f)
  with pytest.raises(errors.ModelFileError, match='in another file'):
    report.of(path)


def _layout():
  layout = h5py.VirtualLayout((4,), 'f4')
  layout[:] = h5py.VirtualSource('other.h5', 'x', (4,))
  return layout


def test_links_in_circles_and_plain_files_are_fine(tmp_path):
  path = str(tmp_path / 'x.weights.h5')
  with h5py.File(path, 'w') as f:
    f.create_dataset('fc/kernel', data=[[1.0, 0.0], [2.0, 0.0]])
    f['fc/again'] = f['fc/kernel']
    f['fc/all'] = f['/']
    f['soft'] = h5py.SoftLink('/soft')
    f['empty'] = h5py.Empty('f4')
    f['scalar'] = 1.0
  with h5py.File(path, 'r') as f:
    assert hdf5.check(f, path, 10) == 4 * 8 + 8
  assert [weight.sparsity for weight in report.of(path).weights][:1] == [0.5]
