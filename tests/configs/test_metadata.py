"""Metadata store and retention in a config: what can't be is said, and no password gets in."""

from __future__ import annotations

import pytest

from configs import loading
from configs.operations import StoreKind

SERVER = ('metadata.kind=postgresql', 'metadata.host=db', 'metadata.database=ml', 'metadata.user=me')


@pytest.mark.parametrize(
  ('overrides', 'message'),
  [
    pytest.param(['metadata.kind=mysql'], "metadata.host is missing; kind 'mysql' needs host", id='no_host'),
    pytest.param(['metadata.host=db'], 'metadata.host is for a server; set metadata.kind to', id='no_kind'),
    pytest.param(['metadata.kind=oracle'], 'must be one of sqlite, postgresql, mysql, got', id='unknown_kind'),
    pytest.param([*SERVER, 'metadata.port=0'], 'metadata.port must be a whole number from 1 to 65,535', id='port_zero'),
    pytest.param(['metadata.hots=db'], "unknown key 'hots'. Did you mean 'host'?", id='unknown_key'),
    pytest.param(['retention.after_run=true'], 'retention.after_run has no effect without', id='no_limit'),
    pytest.param(['retention.runs=0'], 'retention.runs must be a whole number above 0', id='no_runs'),
  ],
)
def test_mistakes(overrides: list[str], message: str):
  with pytest.raises(loading.ConfigError, match=message.replace('?', r'\?')):
    loading.load('nyc', overrides)


def test_a_password_is_refused_and_not_repeated():
  with pytest.raises(loading.ConfigError, match=r'metadata\.password must not be in a config') as caught:
    loading.load('nyc', [*SERVER, 'metadata.password=s3cret'])
  assert 'FARELITE_METADATA_PASSWORD' in str(caught.value)
  assert 's3cret' not in str(caught.value)


@pytest.mark.parametrize(
  'override',
  [
    'metadata.host="me:s3cret"', 'metadata.host="db/s3cret"', 'metadata.host="me:s3cret@db"',
    'metadata.database="postgresql://me:s3cret@db/ml"', 'metadata.user="x://s3cret"',
    'metadata="postgresql://me:s3cret@db/ml"',
  ],
)  # fmt: skip
def test_what_may_hold_a_password_is_refused_and_not_repeated(override: str):
  with pytest.raises(loading.ConfigError, match=r'metadata.* must be .*FARELITE_METADATA_PASSWORD') as caught:
    loading.load('nyc', [*SERVER, override])
  assert 's3cret' not in str(caught.value)


@pytest.mark.parametrize('host', ['db', 'db-1.internal', '10.0.0.1', '::1', 'fe80::1%eth0', 'host_name'])
def test_names_and_addresses_of_hosts(host: str):
  assert loading.load('nyc', [*SERVER, f'metadata.host="{host}"']).metadata.host == host


@pytest.mark.parametrize(('kind', 'port'), [('postgresql', 5432), ('mysql', 3306)])
def test_the_usual_port(kind: str, port: int):
  config = loading.load('nyc', [*SERVER, f'metadata.kind={kind}'])
  assert config.metadata.server_port == port
  assert loading.load('nyc', [*SERVER, 'metadata.port=99']).metadata.server_port == 99


def test_the_default_is_a_file_and_nothing_is_removed():
  config = loading.load('nyc')
  assert config.metadata.kind is StoreKind.SQLITE
  assert not config.retention.limited
