"""Training steps, their optimizer and error measurement compiled into one call each, over examples in memory."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import tensorflow as tf

from configs.model import Loss, Training
from models.keras_compat import keras
from models.labels import label_unit
from models.protocols import Examples

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


class AdamW:
  """AdamW with a cosine schedule, as `keras.optimizers.AdamW` computes it.

  Keras' own needs some 25 operations per variable where TensorFlow has one, `ResourceApplyAdam`; tracing them is a
  third of the time of a short fine-tuning.

  Attributes: iterations: int64 variable, steps taken.
  Source: I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", 2019.
  """

  def __init__(
    self, config: Training, steps: int, variables: Sequence[tf.Variable], unit: float = 1.0, output: str = ''
  ) -> None:
    """Makes the moments.

    Args:
      config: learning rate, warmup and weight decay; biases are not decayed, as decay pulls towards zero and the
        output's bias belongs at the typical label.
      steps: length of the schedule.
      variables: float32, all that `apply_gradients` will ever get.
      unit: of the loss: the output layer takes steps so many times as long, as if it computed in that unit.
      output: name of that layer, which the names of its variables have, wrapped or not.
    """
    warmup = int(config.warmup * steps)
    self._rate = keras.optimizers.schedules.CosineDecay(
      initial_learning_rate=0.0 if warmup else config.learning_rate,
      decay_steps=max(1, steps - warmup),
      warmup_target=config.learning_rate if warmup else None,
      warmup_steps=warmup,
    )
    self._decay, self._unit = config.weight_decay, unit
    self._output = re.compile(rf'(?:^|[/_]){re.escape(output)}/')
    self.iterations = tf.Variable(0, dtype=tf.int64, name='iterations', trainable=False)
    self._moments = {
      variable.ref(): tuple(
        tf.Variable(tf.zeros_like(variable), name=f'{variable.name.split(":")[0]}/{moment}', trainable=False)
        for moment in ('m', 'v')
      )
      for variable in variables
    }

  @property
  def variables(self) -> list[tf.Variable]:
    """Everything that a checkpoint has to hold."""
    return [self.iterations, *(moment for moments in self._moments.values() for moment in moments)]

  def learning_rate(self) -> tf.Tensor:
    """Of the last step; before the first one, what that will have. Float32 scalar."""
    return tf.cast(self._rate(tf.maximum(self.iterations - 1, 0)), tf.float32)

  def reset(self) -> None:
    """Forgets all steps."""
    for variable in self.variables:
      variable.assign(tf.zeros_like(variable))

  def apply_gradients(self, gradients: Iterable[tuple[tf.Tensor | tf.IndexedSlices, tf.Variable]]) -> None:
    """Takes a step; called while a function is traced or eagerly."""
    rate = self._rate(self.iterations)
    step = tf.cast(self.iterations + 1, tf.float32)
    powers = tf.pow(_BETA_1, step), tf.pow(_BETA_2, step)
    for gradient, variable in gradients:
      if self._decay and 'bias' not in variable.name:
        variable.assign_sub(variable * (self._decay * rate))
      first, second = self._moments[variable.ref()]
      own = self._unit if self._output.search(variable.name) else 1.0
      tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=first.handle,
        v=second.handle,
        beta1_power=powers[0],
        beta2_power=powers[1],
        lr=rate * own,
        beta1=_BETA_1,
        beta2=_BETA_2,
        epsilon=_EPSILON / own,
        grad=tf.convert_to_tensor(gradient),
      )
      # As Keras does: zeros and clusters of earlier techniques are kept by constraints.
      if variable.constraint is not None:
        variable.assign(variable.constraint(variable))
    self.iterations.assign_add(1)


class TrainingObjective(Protocol):
  """What training minimizes, and the figure beside it on the curves.

  Attributes:
    unit: the labels' units that make one of the loss.
    figure: name of the figure's curve.
  """

  unit: float
  figure: str

  def fit(self, typical: float) -> None:
    """Prepares for other labels of this median, which have the same unit. Raises: ValueError: they can't be learned."""

  def __call__(self, labels: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """The mean loss: float32 scalar, of labels [batch, 1] and what the model gives."""

  def tally(self, labels: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """What each example adds to the figure, summed: float32 scalar."""

  def figure_of(self, mean: float) -> float:
    """The figure of a mean tally."""


MakeObjective = Callable[[Training, float], TrainingObjective]
"""From the config and the median of the labels."""


class TrainingLoss:
  """The loss of labels that are numbers, in a unit of its own, see `models.labels.label_unit`; RMSE is the figure."""

  figure = 'rmse'

  def __init__(self, config: Training, typical: float) -> None:
    """Takes the loss, and the median of the labels that it is to be used for."""
    self.unit = label_unit(typical)
    self._share = config.huber_delta_share
    self._delta: tf.Variable | None = None
    if config.loss is Loss.MSE:
      self._loss: keras.losses.Loss = keras.losses.MeanSquaredError()
    elif config.huber_delta is not None:
      self._loss = keras.losses.Huber(config.huber_delta / self.unit)
    else:
      self._delta = tf.Variable(0.0, trainable=False)
      self._loss = keras.losses.Huber(self._delta)
    self.fit(typical)

  def fit(self, typical: float) -> None:
    """Places a relative delta by the median of other labels, which have the same unit.

    Raises: ValueError: it is not positive, so no share of it is a place.
    """
    if self._delta is not None:
      if typical <= 0:  # Of labels that are no numbers the loss tells.
        raise ValueError(
          f'training.huber_delta_share: the median of the labels is {typical:g}, of which no share is a place to turn; '
          'set training.huber_delta.'
        )
      self._delta.assign(self._share * typical / self.unit)

  def __call__(self, labels: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    if self.unit == 1:
      return self._loss(labels, predicted)
    return self._loss(labels / self.unit, predicted / self.unit)

  def tally(self, labels: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Squared errors."""
    return tf.reduce_sum(tf.square(predicted - labels))

  def figure_of(self, mean: float) -> float:
    """The root mean square error, in the labels' unit."""
    return math.sqrt(mean)


class CrossEntropy:
  """The loss of labels that are classes 0, 1, ..., by a model that gives probabilities; accuracy is the figure."""

  unit = 1.0
  figure = 'accuracy'

  def __init__(self, config: Training, typical: float) -> None:
    """Takes what every `MakeObjective` does; no setting of it is one of this loss."""

  def fit(self, typical: float) -> None:
    """Classes have no scale."""

  def __call__(self, labels: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    if predicted.shape[-1] == 1:
      return tf.reduce_mean(keras.losses.binary_crossentropy(labels, predicted))
    return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, predicted))

  def tally(self, labels: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """How many have the class that the model finds most likely."""
    found = predicted > 0.5 if predicted.shape[-1] == 1 else tf.argmax(predicted, axis=-1)[:, tf.newaxis]
    return tf.reduce_sum(tf.cast(tf.cast(found, tf.float32) == labels, tf.float32))

  def figure_of(self, mean: float) -> float:
    """The share of them."""
    return mean


_EXAMPLES_AT_ONCE = 8192

Tensors = tuple[Mapping[str, tf.Tensor | tf.Variable], tf.Tensor | tf.Variable]
"""Examples where a compiled function finds them, see `Examples.tensors`; variables where they are exchanged between
calls."""


def compiled_steps(
  model: keras.Model, optimizer: AdamW, tensors: Tensors, batch: int, config: Training, objective: TrainingObjective
) -> Callable[[tf.Tensor], tf.Tensor]:
  """A function that takes many steps in one call.

  Updates that layers register while they are called (pruning steps and masks, moving ranges) run once per step. Dropout
  depends on the seed, the layer and `optimizer.iterations` alone.

  Args:
    model: built; takes the columns by name, gives predictions of shape [batch, 1], or what the objective takes.
    optimizer: built for the model's trainable variables.
    tensors: what the rows refer to.
    batch: examples per step.
    config: names the seed.
    objective: the loss.
  Returns: A concrete function from rows, int32 [steps, batch], to float32 [3]: two sums over the steps, the loss with
    the layers' penalties and the tally of all examples, then the last step's learning rate. The first is NaN
    where a weight is no longer finite afterwards, as the next step's loss would be.
  """
  columns, labels = _taken(model, tensors)

  @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, batch], tf.int32)])
  def run(rows: tf.Tensor) -> tf.Tensor:
    def step(position: tf.Tensor, loss_sum: tf.Tensor, tally_sum: tf.Tensor) -> tuple[tf.Tensor, ...]:
      inputs = {name: tf.gather(column, rows[position]) for name, column in columns.items()}
      with tf.GradientTape() as tape, _dropout_by_step(model, config.seed, optimizer.iterations):
        loss, tally = _losses(model, objective, inputs, tf.gather(labels, rows[position]), training=True)
      gradients = zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
      # tfmot's cluster-preserving wrappers hold kernels that they do not use; Keras would warn of each.
      optimizer.apply_gradients([(gradient, variable) for gradient, variable in gradients if gradient is not None])
      return position + 1, loss_sum + loss, tally_sum + tally

    start = (tf.constant(0), tf.constant(0.0), tf.constant(0.0))
    # One iteration at a time: steps depend on each other through the variables, which the loop does not know of.
    _, loss, tallies = tf.while_loop(lambda i, *_: i < tf.shape(rows)[0], step, start, parallel_iterations=1)
    finite = [tf.reduce_all(tf.math.is_finite(variable)) for variable in model.trainable_variables]
    return tf.stack([tf.where(tf.reduce_all(finite), loss, float('nan')), tallies, optimizer.learning_rate()])

  return run.get_concrete_function()


def compiled_errors(model: keras.Model, examples: Examples, objective: TrainingObjective) -> Callable[[], tf.Tensor]:
  """A function that measures the model as it is when called.

  Args:
    model: built; takes `examples.inputs`, gives predictions of shape [batch, 1], or what the objective takes.
    examples: at least one.
    objective: the loss.
  Returns: A concrete function without arguments to float32 [2]: the mean loss with the layers' penalties, and the mean
    tally.
  """
  columns, labels = _taken(model, examples.tensors)
  count = float(len(examples))

  @tf.function(autograph=False)
  def measure() -> tf.Tensor:
    def chunk(start: tf.Tensor, loss_sum: tf.Tensor, tally_sum: tf.Tensor) -> tuple[tf.Tensor, ...]:
      rows = slice(start, start + _EXAMPLES_AT_ONCE)
      inputs = {name: column[rows] for name, column in columns.items()}
      loss, tally = _losses(model, objective, inputs, labels[rows], training=False)
      size = tf.cast(tf.shape(labels[rows])[0], tf.float32)
      return start + _EXAMPLES_AT_ONCE, loss_sum + loss * size, tally_sum + tally

    start = (tf.constant(0), tf.constant(0.0), tf.constant(0.0))
    _, loss, tallies = tf.while_loop(lambda i, *_: i < len(examples), chunk, start, parallel_iterations=1)
    return tf.stack([loss / count, tallies / count])

  return measure.get_concrete_function()


def compiled_values(variables: Sequence[tf.Variable]) -> Callable[[], list[tf.Tensor]]:
  """A function that reads all variables in one call; later steps leave what it returned as it is."""

  @tf.function(autograph=False)
  def values() -> list[tf.Tensor]:
    return [tf.identity(variable) for variable in variables]

  return values.get_concrete_function()


def _taken(model: keras.Model, tensors: Tensors) -> Tensors:
  """The columns that the model takes, in the order of its inputs, and the labels."""
  columns, labels = tensors
  return {name: columns[name] for name in model.input_names}, labels


def _losses(
  model: keras.Model, objective: TrainingObjective, inputs: dict[str, tf.Tensor], labels: tf.Tensor, training: bool
) -> tuple[tf.Tensor, tf.Tensor]:
  """The mean loss with the penalties, and the tally."""
  predicted = model(inputs, training=training)
  loss = tf.add_n([objective(labels, predicted), *model.losses])
  return loss, objective.tally(labels, predicted)


@contextlib.contextmanager
def _dropout_by_step(model: keras.Model, seed: int, step: tf.Variable) -> Iterator[None]:
  """Traces dropout without a state of its own, which no checkpoint could hold.

  Args: model: whose dropout layers are traced inside of the context.
  """
  layers = [module for module in model.submodules if isinstance(module, keras.layers.Dropout)]
  for position, layer in enumerate(layers):
    key = tf.stack([tf.constant(seed + (position << 32), tf.int64), tf.cast(step, tf.int64)])

    def dropout(
      inputs: tf.Tensor, rate: float, noise_shape: tf.Tensor | None = None, key: tf.Tensor = key
    ) -> tf.Tensor:
      return tf.nn.experimental.stateless_dropout(inputs, rate, seed=key, noise_shape=noise_shape)

    layer._random_generator.dropout = dropout
  try:
    yield
  finally:
    for layer in layers:
      del layer._random_generator.dropout
