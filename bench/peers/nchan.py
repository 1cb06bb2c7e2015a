"""Nchan: pub/sub in C inside nginx."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.load import Subscriber
from bench.peers.base import Peer, UnavailableError
from bench.processes import ServerProcess
from bench.publisher import request, upgrade

_PLACES: Final = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules")
_CONF: Final = """
load_module {module};
user root;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 40000; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  nchan_shared_memory_size 256M;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096{ssl};
    {certificate}
    location = /pub {{
      nchan_publisher http; nchan_channel_id bench;
      nchan_message_buffer_length 100; nchan_message_timeout 300s;
    }}
    location = /sub {{
      nchan_subscriber eventsource; nchan_channel_id bench; nchan_subscriber_first_message newest;
    }}
    location = /ws {{
      nchan_subscriber websocket; nchan_channel_id bench; nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


class Nchan(Peer):
    """One worker, in memory, no access log."""

    name = "nchan"
    settings = "nginx, 1 worker, history 100 publications for 300 s, access log off, unsigned"
    has_tls = True
    has_websocket = True

    @classmethod
    def version(cls) -> str:
        """That of the module's package, and of nginx."""
        nginx, _ = shutil.which("nginx"), _module()
        if nginx is None:
            raise UnavailableError("nginx is not here: apt-get install nginx libnginx-mod-nchan")
        told = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
        query = ["dpkg-query", "-W", "-f=${Version}", "libnginx-mod-nchan"]
        package = (
            subprocess.run(query, capture_output=True, text=True, check=False).stdout if shutil.which("dpkg") else ""
        )
        return f"{package.partition('+')[0] or 'unknown'} in nginx {told.rpartition('/')[2].strip()}"

    def start(self) -> ServerProcess:
        """Start nginx in the foreground with a configuration of its own."""
        tls = self.tls
        certificate = ""
        if tls is not None:
            certificate = f"ssl_certificate {tls.cert}; ssl_certificate_key {tls.key}; ssl_protocols TLSv1.3;"
        conf = self.folder / "nginx.conf"
        conf.write_text(
            _CONF.format(
                module=_module(), folder=self.folder, port=self.port, ssl=" ssl" if tls else "", certificate=certificate
            )
        )
        process = ServerProcess(
            ["nginx", "-p", self.folder, "-c", conf, "-e", self.folder / "error.log", "-g", "daemon off;"],
            cwd=self.folder,
        )
        process.wait_listening(self.port)
        return process

    def subscriber(self, *, websocket: bool = False) -> Subscriber:
        """EventSource, or WebSocket."""
        if websocket:
            return Subscriber([upgrade("/ws", self.port)])
        head = f"GET /sub HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAccept: text/event-stream\r\n"
        return Subscriber([f"{head}\r\n"])

    def publication(self, data: str) -> bytes:
        """The bare data."""
        return request("/pub", data.encode(), port=self.port, headers="Accept: application/json\r\n")

    def recovering(self, answers: list[bytes]) -> Subscriber:
        """The message id is in the publisher's answer."""
        first = json.loads(answers[0])["last_message_id"]
        head = f"GET /sub HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAccept: text/event-stream\r\n"
        return Subscriber([f"{head}Last-Event-ID: {first}\r\n\r\n"])


def _module() -> Path:
    for place in _PLACES:
        if (found := Path(place, "ngx_nchan_module.so")).exists():
            return found
    raise UnavailableError("the Nchan module is not here: apt-get install libnginx-mod-nchan")
