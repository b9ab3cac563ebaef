# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Names for the types of TensorFlow and Keras, which differ between versions and are not checked.

A type checker treats each as Any; they tell a reader what is expected.
"""

from typing import Any

# Of TensorFlow.
Tensor = Any
Variable = Any  # Of any kind: ref, resource, partitioned, of a distribution strategy, or Keras 3's.
Operation = Any  # Or a tensor that stands for one in session.run.
Graph = Any
Session = Any
Scope = Any  # A variable scope, or its name.
Initializer = Any
Regularizer = Any
Hook = Any  # A tf.train.SessionRunHook.
DType = Any
Shape = Any  # A tf.TensorShape, or a sequence of int and None.
GraphDef = Any
NodeDef = Any
TensorProto = Any
MetaGraphDef = Any
AttrValue = Any
FunctionDef = Any
Event = Any  # Of an event file.
Strategy = Any  # Of tf.distribute.

# Of Keras.
Layer = Any
Model = Any
Optimizer = Any

# Of matplotlib.
Figure = Any
Axes = Any

# Of NumPy, whose arrays take type arguments in some versions only.
Array = Any

# An int or float, a NumPy array, or a tensor; results are of the kind of the arguments.
Numeric = Any
Truth = Any  # Likewise: a bool, an array of bools, or a bool tensor.
