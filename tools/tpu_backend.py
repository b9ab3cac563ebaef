# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Compiles HLO for TPUs, on a machine without one. Runs in the environment `tpu`.

    tools/with_env.sh tpu tools/tpu_backend.py REQUESTS RESULTS

REQUESTS is a file with a JSON list of {"hlo": path of a HloProto, "target": key of TARGETS};
RESULTS will be one with a list as long: what the compiler says of each, or its error.
tools/tpu_compile.py writes the one and reads the other.
"""

import json
import os
import sys
import time
from typing import Any, Dict

# Read when jax is imported: search no devices, and contact no metadata server.
os.environ.update(JAX_PLATFORMS='cpu', TPU_SKIP_MDS_QUERY='1')

# The smallest topology of each kind; the program is compiled for one of its devices.
TARGETS = {'v2': '2x2', 'v3': '2x2', 'v4': '2x2x1', 'v5e': '2x2', 'v5p': '2x2x1', 'v6e': '2x2',
           'tpu7x': '2x2x1'}


def module_of(hlo_proto: bytes) -> bytes:
  """Returns field 1 of a serialized HloProto, the HloModuleProto, which XLA writes first."""
  if hlo_proto[:1] != b'\x0a':
    raise ValueError('Not a HloProto: it begins with %r' % hlo_proto[:8])
  length, at, shift = 0, 1, 0
  while True:
    byte = hlo_proto[at]
    length, at, shift = length | (byte & 0x7f) << shift, at + 1, shift + 7
    if byte < 0x80:
      return hlo_proto[at:at + length]


def stablehlo_of(hlo_proto: bytes) -> Any:
  """Returns an HLO as a StableHLO module, the form that jax passes to compilers."""
  from jax._src.interpreters import mlir
  from jaxlib import _jax
  from jaxlib.mlir import ir
  with mlir.make_ir_context():
    module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(module_of(hlo_proto)))
    copies = []

    def visit(operation: Any) -> Any:
      if operation.name == 'mhlo.copy':
        copies.append(operation)
      return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    for copy in copies:  # StableHLO has no copies, and values that are never written need none.
      copy.results[0].replace_all_uses_with(copy.operands[0])
      copy.erase()
    return module


def compiled(hlo: str, target: str) -> Dict[str, Any]:
  """Returns seconds, flops, bytes_accessed, temporaries and code (bytes); or error, a text."""
  from jax._src import compiler
  from jax.experimental import topologies
  from jaxlib import xla_client
  with open(hlo, 'rb') as f:
    module = stablehlo_of(f.read())
  topology = topologies.get_topology_desc(
      platform='tpu', topology_name='%s:%s' % (target, TARGETS[target]))
  device = topology.devices[0]
  begin = time.monotonic()
  try:
    program = device.client.compile(module, xla_client.DeviceList((device,)),
                                    compiler.get_compile_options(1, 1))
  except xla_client.XlaRuntimeError as error:
    return {'error': str(error)}
  seconds = time.monotonic() - begin
  costs, memory = program.cost_analysis(), program.get_compiled_memory_stats()
  return {'seconds': seconds, 'flops': costs['flops'], 'bytes_accessed': costs['bytes accessed'],
          'temporaries': memory.temp_size_in_bytes, 'code': memory.generated_code_size_in_bytes}


def main(requests: str, results: str) -> None:
  with open(requests, encoding='utf-8') as f:
    found = [compiled(**request) for request in json.load(f)]
  with open(results, 'w', encoding='utf-8') as f:
    json.dump(found, f)


if __name__ == '__main__':
  main(*sys.argv[1:])
