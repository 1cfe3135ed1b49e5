"""Which columns of a source make up the canonical ride, and which rows are valid."""

from __future__ import annotations

import datetime
import enum
import zoneinfo
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from configs import currency as currencies
from configs import time_format
from configs.base import Config, Fraction, Identifier, Interval, Problem, joined
from configs.columns import COORDINATES, LABEL, PASSENGERS, RAW_INPUTS, TIME
from configs.numbers import Notation
from configs.platform import BigQuery
from configs.source import ColumnName, ZonePlaces, names_of
from configs.texts import unseen_cell

EPOCH = datetime.datetime(2009, 1, 1)
"""The zero of `pickup_seconds`."""


class TimeEncoding(str, enum.Enum):
  """How the source writes the pickup time."""

  STRING = 'string'
  UNIX_SECONDS = 'unix_seconds'
  UNIX_MILLISECONDS = 'unix_milliseconds'
  UNIX_MICROSECONDS = 'unix_microseconds'
  TIMESTAMP = 'timestamp'

  @property
  def ticks(self) -> int | None:
    """How many of a Unix encoding's units make a second; `None` of the other encodings."""
    return _TICKS.get(self)


_TICKS = {
  TimeEncoding.UNIX_SECONDS: 1,
  TimeEncoding.UNIX_MILLISECONDS: 1_000,
  TimeEncoding.UNIX_MICROSECONDS: 1_000_000,
}


class Clock(str, enum.Enum):
  """What clock the source's time stamps were read from."""

  LOCAL = 'local'
  UTC = 'utc'


class FileFormat(str, enum.Enum):
  """The format of source files; `auto` goes by the file's name."""

  AUTO = 'auto'
  CSV = 'csv'
  PARQUET = 'parquet'


_DEFAULT_FORMAT = '%Y-%m-%d %H:%M:%S'


class PickupTime(Config):
  """The pickup-time column and how to read it.

  Attributes:
    column: the source's column name, or several that it goes by in one file or another.
    encoding: a formatted string; Unix seconds, milliseconds or microseconds; or a Parquet timestamp.
    format: the `strptime` format of a string, literal suffixes included; null for the default one.
    clock: `local` if the stamps are the city's wall clock (whatever zone they claim), `utc` if they are instants that
      `time_zone` turns into wall clock.
    time_zone: an IANA zone name, for `clock: utc` alone, which needs it.
  """

  column: ColumnName
  encoding: TimeEncoding = TimeEncoding.STRING
  format: str = _DEFAULT_FORMAT
  clock: Clock = Clock.LOCAL
  time_zone: str | None = None

  @field_validator('format', mode='before')
  @classmethod
  def _null_is_the_default(cls, value: object) -> object:
    return _DEFAULT_FORMAT if value is None else value

  @field_validator('time_zone')
  @classmethod
  def _zone_exists(cls, value: str | None) -> str | None:
    if value is not None:
      try:
        zoneinfo.ZoneInfo(value)
      except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone '{value}'. Use an IANA name such as America/New_York.") from None
    return value

  def problems(self) -> Iterator[Problem]:
    if self.clock is Clock.UTC and self.time_zone is None:
      yield Problem('', 'clock: utc needs a time_zone, such as America/New_York, to find the wall clock.')
    if self.clock is Clock.LOCAL and self.time_zone is not None:
      wrong = "has no effect with clock: local, which takes the stamps for the city's wall clock already"
      yield Problem('time_zone', f'{wrong}; set clock: utc if they are instants of UTC, else time_zone to null.')
    if self.encoding is TimeEncoding.STRING:
      for problem in time_format.problems(self.format, instants=self.clock is Clock.UTC):
        yield Problem('format', f'{problem}.')
    elif self.format != _DEFAULT_FORMAT:
      wrong = f"'{self.format}' has no effect with encoding: {self.encoding.value}"
      yield Problem('format', f'{wrong}; set encoding: string if the stamps are texts, else format to null.')


class Columns(Config):
  """Source column of each canonical column, by one name or several; `null` where the source has none.

  All coordinates are there, or none of them: where the dataset has `places`.

  Attributes:
    fare_amount: the fare, which the model learns.
    pickup_longitude: the longitude where the ride began, in degrees (WGS84).
    pickup_latitude: the latitude there.
    dropoff_longitude: the longitude where the ride ended, in degrees (WGS84).
    dropoff_latitude: the latitude there.
    passenger_count: how many people ride.
    key: what a prediction is found again by; a run does not read it.
  """

  fare_amount: ColumnName
  pickup_longitude: ColumnName | None = None
  pickup_latitude: ColumnName | None = None
  dropoff_longitude: ColumnName | None = None
  dropoff_latitude: ColumnName | None = None
  passenger_count: ColumnName | None = None
  key: ColumnName | None = None


class ExtraColumn(Config):
  """A further column that is known before the ride.

  Attributes:
    name: the canonical name; also the input name of the served model.
    column: the source's column name, or several.
    kind: `numeric`, or `categorical`, which travels as a whole float32: the position in `vocabulary`, `len(vocabulary)`
      for any other value, NaN where it is missing.
    vocabulary: the known values of a categorical column, as text.
    unit: the unit of a numeric column.
    meaning: one sentence for the feature list.
  """

  name: Identifier
  column: ColumnName
  kind: Literal['numeric', 'categorical'] = 'numeric'
  vocabulary: tuple[str, ...] = ()
  unit: str = ''
  meaning: str = ''

  @field_validator('vocabulary', mode='before')
  @classmethod
  def _numbers_are_texts(cls, words: Any) -> Any:
    """YAML has `[1, 2]` for numbers, and `[yes, N]` for words that it does not keep as they are written."""
    words = words if isinstance(words, (list, tuple)) else [words]
    if any(isinstance(word, bool) for word in words):
      raise ValueError("has true or false where a text is meant; quote each word, such as 'yes' or 'True'.")
    return [str(word) if isinstance(word, (int, float)) else word for word in words]

  def problems(self) -> Iterator[Problem]:
    if self.kind == 'categorical' and not self.vocabulary:
      yield Problem('', f"the categorical column '{self.name}' needs a vocabulary.")
    if self.kind == 'numeric' and self.vocabulary:
      yield Problem('', f"the numeric column '{self.name}' has a vocabulary; is it categorical?")
    if len(set(self.vocabulary)) != len(self.vocabulary):
      yield Problem('', f"the vocabulary of '{self.name}' names a value twice.")
    for word in self.vocabulary:
      if why := unseen_cell(word):
        yield Problem('', f"the vocabulary of '{self.name}': {word!r} {why}.")
    if self.kind == 'categorical' and self.unit:
      yield Problem('', f"the unit of '{self.name}' has no effect, as it is categorical; leave it out.")


class Bounds(Config):
  """The bounding box of valid coordinates.

  Attributes:
    longitude, latitude (degrees): the valid range, WGS84.
  """

  longitude: Interval
  latitude: Interval

  def problems(self) -> Iterator[Problem]:
    for name, limit in (('latitude', 90), ('longitude', 180)):
      interval = getattr(self, name)
      if interval.min < -limit or interval.max > limit:
        yield Problem('', f'{name}s lie between -{limit} and {limit} degrees.')


class Rules(Config):
  """What makes a row valid; every other row goes, whole, into quarantine.

  Attributes:
    fare (currency): valid fares, of the city's currency.
    bounds: the bounding box of both ends of the ride.
    passengers (people): valid passenger counts.
    extras: valid numbers of numeric extras, by name; without a range any number is.
    earliest: first valid day of pickup.
    latest: last valid day of pickup.
    max_quarantined_share: a larger share of quarantined rows fails the run.
  """

  fare: Interval
  bounds: Bounds
  passengers: Interval = Interval(min=0, max=9)
  extras: dict[Identifier, Interval] = {}
  earliest: datetime.date = datetime.date(2009, 1, 1)
  latest: datetime.date = datetime.date(2060, 12, 31)
  max_quarantined_share: Fraction = 0.1

  @field_validator('earliest', 'latest')
  @classmethod
  def _fits_int32(cls, value: datetime.date) -> datetime.date:
    if not datetime.date(1941, 1, 1) <= value <= datetime.date(2076, 12, 31):
      raise ValueError(f'{value} is outside 1941 to 2076, what 32-bit seconds since 2009 can hold.')
    return value

  def problems(self) -> Iterator[Problem]:
    if self.earliest > self.latest:
      yield Problem('', f'earliest ({self.earliest}) must not be after latest ({self.latest}).')

  def interval(self, name: str) -> Interval | None:
    """The valid numbers of a canonical column; `None` of one without a rule."""
    if name in COORDINATES:
      return self.bounds.longitude if name.endswith('longitude') else self.bounds.latitude
    return {LABEL: self.fare, PASSENGERS: self.passengers, **self.extras}.get(name)


class Landmark(Config):
  """A place that fares depend on, such as an airport with a flat tariff.

  Attributes:
    name: part of the feature names.
    latitude, longitude (degrees): where it lies, WGS84.
    airport: whether rides from or to it are airport rides, a slice of the evaluation.
  """

  name: Identifier
  latitude: float = Field(ge=-90, le=90)
  longitude: float = Field(ge=-180, le=180)
  airport: bool = True


class Zone(Config):
  """An area with other fares, such as another state where the meter does not count.

  Attributes:
    name: part of the feature names.
    polygon: its corners as [longitude, latitude], degrees; the last one joins the first one. Edges are straight in
      degrees.
  """

  name: Identifier
  polygon: Annotated[tuple[tuple[float, float], ...], Field(min_length=3)]


Hour = Annotated[float, Field(ge=0, le=24)]

HOURS = 24
"""Of a day."""


class City(Config):
  """What is fixed about a city.

  Attributes:
    center_latitude, center_longitude (degrees): origin of local kilometres.
    grid_rotation_degrees: clockwise angle from north to the street grid.
    landmarks: places whose distance matters.
    zones: areas whose fares differ; one flag for each end of the ride.
    tariff_changes: days on which the tariff changed; one flag each.
    windows: parts of the day by name, as [first hour, hour of the end], such as `night: [22, 6]`, which goes over
      midnight; one flag each, and a slice of the evaluation.
  """

  center_latitude: float = Field(ge=-90, le=90)
  center_longitude: float = Field(ge=-180, le=180)
  grid_rotation_degrees: float = Field(default=0.0, ge=-90, le=90)
  landmarks: tuple[Landmark, ...] = ()
  zones: tuple[Zone, ...] = ()
  tariff_changes: tuple[datetime.date, ...] = ()
  windows: dict[Identifier, tuple[Hour, Hour]] = {}

  def problems(self) -> Iterator[Problem]:
    for name, (start, end) in self.windows.items():
      if start % HOURS == end % HOURS:
        wrong = f'[{start:g}, {end:g}] is the whole day, or nothing of it'
        yield Problem(f'windows.{name}', f'{wrong}; give the hour at which it begins and the one at which it ends.')


_CODE = {'pattern': '^[A-Z]{3}$', 'form': 'an ISO 4217 code such as USD'}


class Dataset(Config):
  """A source of rides and its mapping to the canonical ride.

  Attributes:
    name: short name, part of the manifest.
    path: files to read: a path or a glob; `{SPAN}`, `{YYYY}`, `{MM}`, `{DD}` as in TFX; `package://NAME/...` for a file
      inside an installed package.
    bigquery: a query or a table in BigQuery, in place of files.
    format: CSV (also gzip) or Parquet.
    delimiter: what stands between the cells of CSV; one ASCII character.
    missing: texts that mean a missing value, besides the empty one.
    numbers: how numbers are written in texts.
    columns: the source's names of the canonical columns.
    places: zone ids in place of coordinates.
    extras: further columns that are known before the ride.
    known_after_ride: source columns that only the finished ride knows; naming one of them as an input is refused.
    rules: which rows are valid.
    city: landmarks, grid and tariff.
    currency: ISO 4217 code of the fare.
  """

  name: str = Field(
    pattern=r'^[a-z0-9][a-z0-9-]*$', json_schema_extra={'form': 'small letters, digits and -, no - first'}
  )
  path: str | None = None
  bigquery: BigQuery | None = None
  format: FileFormat = FileFormat.AUTO
  delimiter: str = ','
  missing: tuple[str, ...] = ('nan', 'NaN', 'NA', 'null', 'NULL', 'None')
  numbers: Notation = Notation()
  columns: Columns
  places: ZonePlaces | None = None
  time: PickupTime
  extras: tuple[ExtraColumn, ...] = ()
  known_after_ride: tuple[str, ...] = ()
  rules: Rules
  city: City
  currency: Annotated[str, BeforeValidator(currencies.code), Field(json_schema_extra=_CODE)] = 'USD'

  @field_validator('delimiter', mode='before')
  @classmethod
  def _a_tab_by_its_name(cls, value: Any) -> Any:
    return '\t' if value in ('\\t', 'tab') else value

  def problems(self) -> Iterator[Problem]:
    if self.path and self.bigquery:
      yield Problem('', 'path (or --data) and bigquery are two sources of rides; set one of them to null.')
    if self.named_format is FileFormat.CSV and self.time.encoding is TimeEncoding.TIMESTAMP:
      wrong = 'time stamps of a type of their own are in Parquet and BigQuery alone, and the rides are CSV'
      yield Problem('time.encoding', f'{wrong}; set encoding: string for texts, unix_seconds for numbers.')
    ascii_sign = len(self.delimiter) == 1 and self.delimiter.isascii() and not self.delimiter.isalnum()
    if not ascii_sign or self.delimiter in '"\r\n\0':
      what = 'must be one ASCII character, no letter, digit, quotation mark or line end'
      yield Problem('delimiter', f"{what}, got {self.delimiter!r}; usual ones are ',', ';', '|' and '\\t', quoted.")
    yield from self._unseen_words()
    for canonical, columns in self._names().items():
      for column in columns:
        if column in self.known_after_ride and canonical != LABEL:
          reason = 'is known only after the ride (known_after_ride)'
          yield Problem('', f"'{column}' {reason}, so it can't be the input '{canonical}'.")
    yield from self._ambiguous_names()
    yield from self._columns_without_numbers()
    yield from self._unplaced_ends()
    names = [*self.raw_inputs(), LABEL, 'key']
    for name in sorted({name for name in names if names.count(name) > 1}):
      yield Problem('', f"extras: the name '{name}' is taken.")
    numeric = [extra.name for extra in self.extras if extra.kind == 'numeric']
    for name in self.rules.extras:
      if name not in numeric:
        there = f'there are {joined(numeric)}' if numeric else 'dataset.extras has none'
        yield Problem(f'rules.extras.{name}', f'has no effect, as no numeric extra has this name; {there}.')

  @property
  def named_format(self) -> FileFormat:
    """The format of the files, as far as `format` or their names tell; a file's first bytes have the last word."""
    name = (self.path or '').lower()
    if self.format is not FileFormat.AUTO:
      return self.format
    if name.endswith(('.parquet', '.pq')):
      return FileFormat.PARQUET
    return FileFormat.CSV if name.endswith(('.csv', '.csv.gz', '.tsv', '.tsv.gz')) else FileFormat.AUTO

  def _unseen_words(self) -> Iterator[Problem]:
    """Words that no cell ever is."""
    for word in self.missing:
      if why := unseen_cell(word):
        yield Problem('missing', f'{word!r} {why}.')
    for extra in self.extras:
      for word in extra.vocabulary:
        if word in self.missing:
          rest = 'is also in dataset.missing, and so never a value; leave it out of one of them'
          yield Problem('extras', f"the vocabulary of '{extra.name}': '{word}' {rest}.")

  def _ambiguous_names(self) -> Iterator[Problem]:
    """One name in two lists: what it is renamed to would depend on who looks."""
    owners: dict[str, tuple[str, ...]] = {}
    for columns in self._names().values():
      for column in columns:
        if (other := owners.setdefault(column, columns)) != columns:
          shown = joined(f'[{", ".join(names)}]' for names in (other, columns))
          yield Problem(
            'columns', f"'{column}' is a name of two columns, {shown}; list it once, or the same list twice."
          )

  def _columns_without_numbers(self) -> Iterator[Problem]:
    """Columns whose notation is given and that hold no numbers."""
    texts = {extra.name for extra in self.extras if extra.kind == 'categorical'} | {'key'}
    texts |= {*([TIME] if self.time.encoding.ticks is None else []), *(COORDINATES if self.places else [])}
    numeric = [column for name, columns in self._names().items() if name not in texts for column in columns]
    for column in self.numbers.columns:
      if column not in numeric:
        there = joined(list(dict.fromkeys(numeric)))
        yield Problem('numbers.columns', f"'{column}' is no column of numbers; those are {there}.")

  def notation_of(self, column: str) -> Notation:
    """How a source column, by its primary name, writes its numbers."""
    if not self.numbers.columns:
      return self.numbers
    return self.numbers.everywhere() if {*self.aliases()[column]} & {*self.numbers.columns} else Notation()

  def _unplaced_ends(self) -> Iterator[Problem]:
    mapped = [name for name in COORDINATES if getattr(self.columns, name) is not None]
    if self.places is None:
      for name in COORDINATES:
        if name not in mapped:
          yield Problem(f'columns.{name}', 'is missing; for zone ids in place of coordinates set dataset.places.')
    elif mapped:
      message = f'columns.{mapped[0]} is set, too; set all four coordinates to null, or places.'
      yield Problem('places', f'give the coordinates by zone, but {message}')
    elif not self.places.lie_within(self.rules.bounds.longitude, self.rules.bounds.latitude):
      yield Problem('places.zones', 'no zone lies within rules.bounds; is each one [longitude, latitude]?')

  def _names(self) -> dict[str, tuple[str, ...]]:
    """All names of the source column by canonical name, the primary one first."""
    columns: dict[str, ColumnName | None] = {TIME: self.time.column, **dict(self.columns)}
    columns |= self.places.columns() if self.places else {}
    columns |= {extra.name: extra.column for extra in self.extras}
    return {name: names_of(column) for name, column in columns.items() if column is not None}

  def source_columns(self) -> dict[str, str]:
    """Source column, by its primary name, of each canonical name, the key and the label included.

    With `places`, both coordinates of an end have the column of its zone ids.
    """
    return {name: columns[0] for name, columns in self._names().items()}

  def aliases(self) -> dict[str, tuple[str, ...]]:
    """All names of each source column by its primary name, which is the first of them."""
    return {columns[0]: columns for columns in self._names().values()}

  def raw_inputs(self) -> tuple[str, ...]:
    """Canonical names of the model's inputs, in order; the label is not one."""
    return (*RAW_INPUTS, *(extra.name for extra in self.extras))
