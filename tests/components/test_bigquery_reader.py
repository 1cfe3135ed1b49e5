"""Beam's reader as it is, with Google's own clients, against a server on loopback that speaks the Storage Read API.

What is replaced are addresses alone: Beam gives its clients none that a test could set.
"""

from concurrent import futures

import apache_beam as beam
import grpc
import pyarrow as pa
import pytest
from apache_beam.io.gcp import bigquery as beam_bigquery
from apache_beam.io.gcp import bigquery_tools
from apache_beam.io.gcp.internal.clients import bigquery as messages
from google.cloud.bigquery_storage_v1 import BigQueryReadClient, types
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from components.bigquery_ride_gen.component import BigQueryRideGenExecutor
from components.bigquery_ride_gen.reader import to_record_batch
from configs.platform import BigQuery
from tests import bigquery_service
from tests.components.test_bigquery_ride_gen import component, run, table  # noqa: F401, a fixture

_STREAM = 'projects/taxi/locations/eu/sessions/s/streams/{}'


class _Storage:
  """A read session of two streams, the rows in Arrow's format; counts what it is asked."""

  def __init__(self, rows):
    half = len(rows) // 2
    # One schema for the whole table, as the service has it.
    whole = to_record_batch(rows)
    self._batches = [whole.slice(0, half), whole.slice(half)]
    self.tables = []
    self.formats = []

  def create_read_session(self, request, _):
    self.tables.append(request.read_session.table)
    self.formats.append(request.read_session.data_format)
    schema = self._batches[0].schema.serialize().to_pybytes()
    streams = [types.ReadStream(name=_STREAM.format(number)) for number in range(2)]
    return types.ReadSession(
      name='s', data_format=types.DataFormat.ARROW, arrow_schema={'serialized_schema': schema}, streams=streams
    )

  def read_rows(self, request, _):
    batch = self._batches[int(request.read_stream[-1])]
    schema = batch.schema.serialize().to_pybytes()
    yield types.ReadRowsResponse(
      arrow_record_batch={'serialized_record_batch': batch.serialize().to_pybytes()},
      arrow_schema={'serialized_schema': schema},
      row_count=batch.num_rows,
    )

  def handler(self):
    methods = {
      'CreateReadSession': grpc.unary_unary_rpc_method_handler(
        self.create_read_session,
        types.CreateReadSessionRequest.deserialize,
        types.ReadSession.serialize,
      ),
      'ReadRows': grpc.unary_stream_rpc_method_handler(
        self.read_rows, types.ReadRowsRequest.deserialize, types.ReadRowsResponse.serialize
      ),
    }
    return grpc.method_handlers_generic_handler('google.cloud.bigquery.storage.v1.BigQueryRead', methods)


@pytest.fixture
def storage(table, tmp_path, monkeypatch):  # noqa: F811
  """The server with 1,500 real rides; Beam's clients go to it."""
  found = _Storage(table)
  server = grpc.server(futures.ThreadPoolExecutor(4))
  server.add_generic_rpc_handlers([found.handler()])
  port = server.add_insecure_port('localhost:0')
  server.start()

  def read_client():
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=grpc.insecure_channel(f'localhost:{port}')))

  with bigquery_service.service(tmp_path) as (address, key):
    monkeypatch.setenv('GOOGLE_APPLICATION_CREDENTIALS', key)
    monkeypatch.setenv('BIGQUERY_EMULATOR_HOST', address)
    monkeypatch.setattr(beam_bigquery.bq_storage, 'BigQueryReadClient', read_client)
    # Beam keeps the credentials that it once found for the whole process, so it is given the token itself.
    rest = {'url': f'{address}/bigquery/v2/', 'get_credentials': False}
    rest['additional_http_headers'] = {'Authorization': 'Bearer t'}
    monkeypatch.setattr(
      bigquery_tools.BigQueryWrapper, '_bigquery_client', staticmethod(lambda _: messages.BigqueryV2(**rest))
    )
    yield found
  server.stop(None)


def test_rows_of_a_table_become_the_same_rides(storage, table, tmp_path, monkeypatch):  # noqa: F811
  class OfList(BigQueryRideGenExecutor):
    def _reader(self, source):
      return beam.Create(table)

  (tmp_path / 'read').mkdir()
  (tmp_path / 'list').mkdir()
  arguments = ['--project=taxi', '--sdk_container_image=installed']
  source = BigQuery(table='taxi.rides.nyc')
  _, read, quarantined = run(BigQueryRideGenExecutor, component(source=source), tmp_path / 'read', arguments)
  _, expected, set_aside = run(OfList, component(source=source), tmp_path / 'list')
  # Oracle: the rows that the server has, given to the same step by hand.
  assert read == expected and read.read == 1500
  key = 'row'
  assert sorted(row[key] for row in quarantined) == sorted(row[key] for row in set_aside)
  assert storage.tables == ['projects/taxi/datasets/rides/tables/nyc']
  assert storage.formats == [types.DataFormat.ARROW]
  assert pa.types.is_timestamp(to_record_batch(table).column(2).type)
