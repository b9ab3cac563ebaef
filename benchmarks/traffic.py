# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What crosses the network between parameter servers and a chief: training steps and mask updates.

    python -m benchmarks.traffic

Real servers speak gRPC over the loopback, and the kernel counts the bytes. Needs Linux.
Writes the table as JSON too.
"""

import contextlib
import os
import socket
import struct

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import tabulate

from benchmarks import measure
import model_pruning
from model_pruning.compat import tf

FLAGS = flags.FLAGS
flags.DEFINE_list('sizes', ['1000000', '16000000', '64000000'], 'Elements of the weight.')
flags.DEFINE_integer('servers', 2, 'Number of parameter servers.', lower_bound=1)
flags.DEFINE_string('pruning_hparams', 'initial_sparsity=0.9,target_sparsity=0.9',
                    'How to prune.')
flags.DEFINE_string('output', 'out/benchmarks/traffic.json', 'Where to write the numbers.')

_COLUMNS = 1000


class Cluster:
  """Servers of this process that know one another by loopback addresses: ps tasks and a chief.

  Attributes:
    spec: the tf.train.ClusterSpec.
  """

  def __init__(self, servers, workers=0):
    # All ports are held while they are chosen, so that no two are the same.
    with contextlib.ExitStack() as stack:
      sockets = [stack.enter_context(contextlib.closing(socket.socket()))
                 for _ in range(servers + 1 + workers)]
      for each in sockets:
        each.bind(('127.0.0.1', 0))
      addresses = ['127.0.0.1:%d' % each.getsockname()[1] for each in sockets]
    jobs = {'ps': addresses[:servers], 'chief': [addresses[servers]],
            'worker': addresses[servers + 1:]}
    self.spec = tf.train.ClusterSpec({job: tasks for job, tasks in jobs.items() if tasks})
    self._servers = {(job, index): tf.distribute.Server(self.spec, job, index)
                     for job in self.spec.jobs for index in range(len(jobs[job]))}

  def target(self, job='chief', index=0):
    """Returns the target of sessions of a task."""
    return self._servers[job, index].target

  def free(self):
    """Frees the variables of all tasks. The servers themselves live as long as the process."""
    for server in self._servers.values():
      tf.Session.reset(server.target)

  def session(self):
    return tf.Session(self.target())

  def setter(self, task='/job:chief/task:0'):
    """Returns the device function of a task's model on this cluster."""
    return tf.train.replica_device_setter(cluster=self.spec, worker_device=task)


def received(session, operation):
  """Runs an operation; returns the bytes that this process received by TCP meanwhile.

  All servers are in this process, and what they say to one another goes through its sockets.
  The kernel counts, so protocol and status messages are in it: a few kB for each second.
  """
  before = _received_by_socket()
  session.run(operation)
  return sum(count - before.get(key, 0) for key, count in _received_by_socket().items())


# tcpi_bytes_received of struct tcp_info in Linux, which counts from version 4.1 on.
_BYTES_RECEIVED = struct.Struct('@128xQ')


def _received_by_socket():
  counts = {}
  for number in os.listdir('/proc/self/fd'):
    try:
      key = os.readlink('/proc/self/fd/' + number)
      if not key.startswith('socket:'):
        continue
      with contextlib.closing(socket.socket(fileno=os.dup(int(number)))) as duplicate:
        if duplicate.family in (socket.AF_INET, socket.AF_INET6):
          info = duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED.size)
          counts[key] = _BYTES_RECEIVED.unpack(info)[0]
    except OSError:
      pass  # Closed meanwhile, or not of TCP.
  return counts


def model(cluster, shape, masked):
  """Builds a regression of one weight, partitioned over all servers; returns its train_op."""
  scope = model_pruning.masked_scope() if masked else contextlib.nullcontext()
  with tf.device(cluster.setter()):
    step = tf.train.get_or_create_global_step()
    servers = cluster.spec.num_tasks('ps')
    with scope, tf.variable_scope('layer', partitioner=tf.fixed_size_partitioner(servers)):
      weights = tf.get_variable('weights', shape,
                                initializer=tf.random_uniform_initializer(-1, 1, seed=1))
    loss = tf.reduce_mean(tf.square(tf.matmul(tf.ones([1, shape[0]]), weights) - 1))
    return tf.train.GradientDescentOptimizer(1e-6).minimize(loss, global_step=step)


def measure_size(size):
  """Returns a row: the bytes received, by the name of the operation."""
  shape = [max(size // _COLUMNS, 1), _COLUMNS]
  row = {'weights': shape[0] * shape[1]}
  # A cluster for each, as servers remember variables of the same name.
  cluster = Cluster(FLAGS.servers)
  with tf.Graph().as_default():
    row['dense step'], = measured(cluster, [model(cluster, shape, masked=False)])
  cluster = Cluster(FLAGS.servers)
  with tf.Graph().as_default():
    train = model(cluster, shape, masked=True)
    update = model_pruning.Pruning(FLAGS.pruning_hparams).mask_update_op()
    row['pruned step'], row['mask update'] = measured(cluster, [train, update])
  return row


def measured(cluster, operations):
  """Initializes the variables of the default graph; returns the bytes each operation receives."""
  with cluster.session() as session:
    session.run(tf.global_variables_initializer())
    for operation in operations:  # The first run also hands out the graph.
      session.run(operation)
    return [received(session, operation) for operation in operations]


def main(argv):
  del argv
  rows = [measure_size(int(size)) for size in FLAGS.sizes]
  names = list(rows[0])[1:]
  print('A weight of float32 over %d servers: millions of bytes that cross the network.\n' %
        FLAGS.servers)
  print(tabulate.tabulate(
      [['{:,}'.format(row['weights'])] + [row[name] / 1e6 for name in names] for row in rows],
      headers=['weights'] + names, floatfmt='.2f', colalign=['right'] * (len(names) + 1)))
  measure.write(FLAGS.output, traffic=rows)


if __name__ == '__main__':
  app.run(main)
