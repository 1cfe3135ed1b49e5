"""A command that runs the pipeline: what it runs, and how it shows and tells what becomes of it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import pathlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from components.pusher.publishing import remove_leftovers
from configs.errors import FareliteError
from configs.notify import Event
from configs.run import RunConfig
from pipeline.local import terminal
from pipeline.local.output import OutputDirectory
from pipeline.local.terminal import config_differences, config_view
from pipeline.notifying import outcome
from pipeline.sources import DataSource
from pipeline.summary_record import Status, Summary, write_failed_start

if TYPE_CHECKING:
  from pipeline.beam import BeamContext


@dataclasses.dataclass(frozen=True)
class Manner:
  """How a call shows what it does, and how it ends.

  Attributes:
    quiet: whether only the outcome is shown.
    as_json: whether the summary is printed as JSON, and nothing else.
    whole_config: whether the whole config is shown, and not only what is special about it.
    fail_unless_pushed: whether a model that was not blessed makes the exit code `NOT_PUSHED`.
  """

  quiet: bool = False
  as_json: bool = False
  whole_config: bool = False
  fail_unless_pushed: bool = False

  @property
  def hides(self) -> bool:
    """Whether nothing is shown while it goes on."""
    return self.quiet or self.as_json

  def exit_code(self, code: int, *statuses: Status) -> int:
    """Of a call that ends with a code and these statuses."""
    return NOT_PUSHED if self.fail_unless_pushed and not code and Status.PUSHED not in statuses else code


AS_USUAL = Manner()

NOT_PUSHED = 3
"""The exit code of a call that ended well, but pushed nothing, where that was asked to fail."""


@dataclasses.dataclass(frozen=True)
class Session:
  """A command that runs the pipeline: what it runs, and what it shows things with.

  Attributes:
    console: the terminal; everything else that is printed goes to the log.
    log: of the frameworks.
    start: of the run, by `time.monotonic`; of a back-fill, of the span that it is at.
    manner: what is shown.
    now: the time that is told; that of the clock by default.
    summaries: of what has ended so far.
  """

  config: RunConfig
  source: DataSource
  output: OutputDirectory
  console: Console
  log: pathlib.Path
  start: float
  manner: Manner = AS_USUAL
  now: datetime.datetime | None = None
  summaries: list[Summary] = dataclasses.field(default_factory=list)

  def beam_context(self) -> BeamContext:
    """What Beam's engines take from this machine."""
    from pipeline.beam import BeamContext

    return BeamContext(str(self.output.artifacts), project=self.config.platform.vertex.project or '')


@contextlib.contextmanager
def opened(
  config: RunConfig,
  source: DataSource,
  output: OutputDirectory,
  show: bool = True,
  manner: Manner = AS_USUAL,
  now: datetime.datetime | None = None,
  look: bool = True,
) -> Iterator[Session]:
  """Shows the config and checks what can be checked without TFX, which a call that has nothing to do never loads.

  Args:
    show: whether to show the config at once, and not only `show_config` before a run.
    manner, now: of the session.
    look: whether to look into the rides at once, and not only when `look_at_rides` is called before a run.

  Raises:
    DataSourceError, IngestionError: the rides can't be read as the config has it, also inside the block.
    ConfigError: a Beam step's engine can't run as it is set.
    MetadataStoreError: the metadata store can't be used.
  What a run before left in the output stays with any of them, and a note says why this one did not begin.
  """
  start = time.monotonic()
  log = output.logs / f'{datetime.datetime.now():%Y%m%d-%H%M%S}.log'
  with terminal.captured(log) as console:
    console.quiet = manner.hides
    session = Session(config, source, output, console, log, start, manner, now)
    outcome.note_begun(config, output)
    if show:
      show_config(session)
    from pipeline import beam

    try:
      remove_leftovers(output.serving)
      beam.check(config.beam, session.beam_context(), bigquery=source.bigquery is not None)
      terminal.prepare()
      from components.ride_example_gen.spans import check_inputs

      if not source.bigquery:
        check_inputs(source.base, source.pattern)
      if look:
        look_at_rides(session)
      yield session
    except KeyboardInterrupt as error:
      outcome.note_interrupted(config, output, error)
      raise
    except FareliteError as error:
      write_failed_start(config, output, Summary(status=Status.FAILED, reason=str(error), name=config.name))
      with or_warned(console, 'The run could not be kept'):
        from pipeline.report.kept import keep_refused

        keep_refused(config, output, str(error))
      raise


@contextlib.contextmanager
def or_warned(console: Console, what: str) -> Iterator[None]:
  """A run is not lost with what comes after it: an error there is logged, and printed as a warning."""
  try:
    yield
  except Exception as error:
    logging.getLogger(__name__).exception('%s.', what)
    console.print(f' [yellow]![/] {what}: {escape(str(error))}')


_SETTINGS = 12
"""As many settings are shown where the whole config is not asked for."""


def look_at_rides(session: Session) -> None:
  """Refuses rides that the config can't fit, by the first ones. Raises: IngestionError: see `refuse_junk`."""
  from components.ride_example_gen.early import refuse_junk
  from components.ride_example_gen.spans import check_inputs

  source = session.source
  if not source.bigquery:
    refuse_junk(check_inputs(source.base, source.pattern), session.config.dataset)


def show_config(session: Session) -> None:
  """What is special about the config, or the whole of it, small branches on one line each."""
  config, source, console = session.config, session.source, session.console
  console.rule(f'[bold]{config.name}[/bold]  {source.base}/{source.pattern}', style='dim')
  if session.manner.whole_config:
    from rich.syntax import Syntax  # Brings Pygments along.

    text, unchanged = config_view(config)
    colored = Syntax(text, 'yaml', theme='ansi_dark', background_color='default')
    console.print(colored if console.is_terminal else Text(text))
    if unchanged:
      console.print(f'[dim]As by default: {", ".join(unchanged)}.[/dim]')
  else:
    like, lines = config_differences(config)
    for line in (*lines[:_SETTINGS], *([f'… {len(lines) - _SETTINGS} others'] if len(lines) > _SETTINGS else [])):
      console.print(Text(line))
    rest = 'the rest is' if lines else 'everything is'
    console.print(f'[dim]config: {rest} as in {escape(like)}; --show-config shows all of it.[/dim]')
  console.rule(style='dim')


def tell(session: Session, event: Event, reason: str, summary: Summary | None = None) -> None:
  """Tells everybody whom the config names; what fails there is said. Args: summary: of the run, if there was one."""
  said = lambda sentence: say(session, f' [yellow]![/] {escape(sentence)}')  # noqa: E731
  outcome.tell(session.config, session.output, event, reason, summary, session.now, said)


def say(session: Session, text: str) -> None:
  """Prints what a quiet session says, too; where JSON is printed, it stands in the log alone."""
  session.console.quiet = session.manner.as_json
  session.console.print(text)
  session.console.quiet = session.manner.hides
