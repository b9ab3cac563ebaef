# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Builds and describes the model_pruning package."""

import os
import re

import setuptools

_HERE = os.path.dirname(os.path.abspath(__file__))


def _read(name: str) -> str:
  with open(os.path.join(_HERE, *name.split('/')), encoding='utf-8') as f:
    return f.read()


def _version() -> str:
  # Read, not imported: importing the package needs TensorFlow.
  match = re.search(r"^__version__ = '([^']+)'", _read('model_pruning/version.py'), re.M)
  if not match:
    raise RuntimeError('model_pruning/version.py holds no line __version__ = ...')
  return match.group(1)


_URL = 'https://github.com/model-pruning/model_pruning'


def _description() -> str:
  """Returns the README with links that lead somewhere from a package index, too."""
  def absolute(match: 're.Match[str]') -> str:
    image, text, target = match.groups()
    if '://' in target or target.startswith('#'):
      return match.group(0)
    return '%s[%s](%s/%s/main/%s)' % (image, text, _URL, 'raw' if image else 'blob', target)

  return re.sub(r'(!?)\[([^\]]*)\]\(([^)]*)\)', absolute, _read('README.md'))


_PLOTS = ['matplotlib']
_REPORT = ['jinja2'] + _PLOTS
_EXAMPLES = ['scikit-learn', 'mlxtend'] + _REPORT

setuptools.setup(
    name='model_pruning',
    version=_version(),
    description='Prunes TensorFlow models while they train: the successor of '
                'tf.contrib.model_pruning.',
    long_description=_description(),
    long_description_content_type='text/markdown',
    author='The model_pruning Authors',
    url=_URL,
    project_urls={
        'Documentation': _URL + '/blob/main/docs/README.md',
        'Changes': _URL + '/blob/main/CHANGELOG.md',
        'Source': _URL,
        'Issues': _URL + '/issues',
    },
    license='Apache-2.0',
    packages=setuptools.find_packages(include=['model_pruning', 'model_pruning.*']),
    package_data={'model_pruning': ['py.typed'],
                  'model_pruning.reporting': ['page.html.j2', 'page.css', 'page.js']},
    entry_points={'console_scripts': ['model-pruning = model_pruning.cli:run']},
    zip_safe=False,  # Type checkers find py.typed only in a folder.
    python_requires='>=3.7',
    # TensorFlow is an extra on purpose. Listed here, it would replace a user's
    # tensorflow-cpu, tensorflow-gpu or nightly build; the package checks for it when
    # it is imported and says what to install.
    install_requires=['absl-py', 'numpy', 'tabulate', 'tqdm'],
    extras_require={
        'tensorflow': ['tensorflow>=1.15.5'],
        'plots': _PLOTS,
        'report': _REPORT,
        'examples': _EXAMPLES,
        'test': ['pytest', 'hypothesis', 'pytest-xdist'] + _EXAMPLES,
    },
    keywords='tensorflow keras pruning sparsity model compression',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
    ] + ['Programming Language :: Python :: 3.%d' % minor for minor in range(7, 14)] + [
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Typing :: Typed',
    ],
)
