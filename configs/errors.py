"""What this project raises: one tree, shown by one handler in one sentence (`pipeline.cli`).

    FareliteError
    ├── UserError                 exit code 2: what a command needs is not there or not right; nothing began
    │   ├── ConfigError           mistakes in a config
    │   ├── ProblemsError         several mistakes that one check of a config found
    │   ├── OptionError           an option of Beam's
    │   ├── DataSourceError       where the rides are
    │   ├── IngestionError        a file of rides
    │   ├── OutputError           the output directory
    │   │   └── BusyError         … which another run holds
    │   ├── MetadataStoreError    the metadata store
    │   ├── RecordError           a JSON file of a run that is broken or newer
    │   ├── ManifestError         a version that is not what was pushed
    │   ├── LiteFileError         a lite file, or rides for one
    │   ├── ModelError            a user's own model
    │   ├── RequestError          what a client asks of the server
    │   ├── RestoreError          a version to put back
    │   ├── ScheduleError         a schedule
    │   ├── TargetError           a cloud target
    │   └── SpecError             a compiled pipeline
    └── FailedError               exit code 1: what was begun failed
        ├── StepFailedError       a step of a run
        ├── TaskFailedError       a task of a rehearsal
        ├── SubmissionError       a backend that refuses, or can't be reached
        ├── RidesRefusedError     too few valid rides
        ├── AlteredModelError     a model that is not what was judged
        ├── AnomaliesError        rides that are not what the schema expects
        ├── ReductionError        rides that don't allow a reduction
        ├── MetricError           predictions that a metric is not defined for
        ├── DivergedError         a training
        ├── NoEffectError         an exported model that is not what its recipe promises
        ├── ConversionError       a model that can't be converted
        ├── QuantizerMissingError a package that a scheme needs
        ├── ValidationError       a lite file that is not what its scheme promises
        ├── ShadowError           a lite file that can't be compared with the one that serves
        └── LiteCrashError        the process of a lite file

A class of its own is for what somebody catches, or may want to catch apart; everything else raises its branch.
"""

from __future__ import annotations

from typing import ClassVar


class FareliteError(Exception):
  """Something that a person reads in one sentence, without a traceback.

  Args:
    what: what is wrong, and where.
    fix: what to do about it, unless `what` has it already.

  Attributes:
    exit_code: of the command that ends by it.
    fix: as given.
  """

  exit_code: ClassVar[int] = 1

  def __init__(self, what: str = '', fix: str = '') -> None:
    super().__init__(f'{what} {fix}'.strip())
    self.fix = fix


class UserError(FareliteError):
  """Nothing began, as the config, the rides, a directory or a version is not what it should be."""

  exit_code = 2


class FailedError(FareliteError):
  """What was begun failed: a step, a conversion, a push, a submission."""
