"""As much of Google's token endpoint and of BigQuery's REST interface as the tests ask, on loopback."""

import contextlib
import http.server
import json
import threading

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CHANGED = 1_330_000_000_123
"""When the table `taxi.rides.nyc` was last changed: milliseconds, as the service gives times."""


class _Service(http.server.BaseHTTPRequestHandler):
  """One table, one closed project, and dry runs of queries."""

  def log_message(self, *_):
    """Says nothing."""

  def _answer(self, status, content):
    body = json.dumps(content).encode()
    self.send_response(status)
    self.send_header('Content-Type', 'application/json')
    self.send_header('Content-Length', str(len(body)))
    self.end_headers()
    self.wfile.write(body)

  def do_GET(self):
    assert self.headers['Authorization'] == 'Bearer t'
    where = self.path.split('?')[0]
    if where == '/bigquery/v2/projects/taxi/datasets/rides/tables/nyc':
      reference = {'projectId': 'taxi', 'datasetId': 'rides', 'tableId': 'nyc'}
      self._answer(200, {'tableReference': reference, 'lastModifiedTime': str(CHANGED), 'numBytes': '1000'})
    elif where.startswith('/bigquery/v2/projects/closed/'):
      self._answer(403, {'error': {'message': 'Access Denied: Table closed:rides.nyc', 'errors': []}})
    elif where == '/bigquery/v2/projects/taxi/datasets':
      self._answer(200, {})
    else:
      self._answer(404, {'error': {'message': f'Not found: {where}', 'errors': []}})

  def do_POST(self):
    content = self.rfile.read(int(self.headers['Content-Length']))
    if self.path == '/token':
      return self._answer(200, {'access_token': 't', 'expires_in': 3600, 'token_type': 'Bearer'})
    assert self.path.startswith('/bigquery/v2/projects/payer/jobs')
    job = json.loads(content)
    assert job['configuration']['dryRun'] is True
    if 'FORM' in job['configuration']['query']['query']:
      return self._answer(400, {'error': {'message': 'Syntax error: Unexpected identifier', 'errors': []}})
    reference = {'projectId': 'payer', 'jobId': 'j', 'location': 'EU'}
    return self._answer(200, {**job, 'jobReference': reference, 'status': {'state': 'DONE'}, 'statistics': {}})


@contextlib.contextmanager
def service(folder):
  """Runs the server.

  Args:
    folder: where the key of an account is written.

  Yields:
    The server's address, and the path of a service account's key whose tokens it gives.
  """
  server = http.server.ThreadingHTTPServer(('localhost', 0), _Service)
  threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
  address = f'http://localhost:{server.server_port}'
  secret = rsa.generate_private_key(public_exponent=65537, key_size=2048)
  form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
  account = {'type': 'service_account', 'client_email': 'a@b', 'token_uri': f'{address}/token', 'project_id': 'taxi'}
  (folder / 'key.json').write_text(json.dumps(account | {'private_key': secret.private_bytes(*form).decode()}))
  try:
    yield address, str(folder / 'key.json')
  finally:
    server.shutdown()
    server.server_close()
