"""How gunicorn serves the site: gunicorn --config python:portal.gunicorn portal.wsgi

The proxy in front speaks to port 8000; other flags go on the command line, which has the last word.
"""

bind = "127.0.0.1:8000"
workers = 2
# Threads, because a request waits for the database, the cache and the bucket.
worker_class = "gthread"
threads = 4
# Above the proxy's own 60 s: it closes idle connections, and never finds one closed under it.
keepalive = 65
timeout = 60
# A stopping worker finishes what it has begun.
graceful_timeout = 30
# A worker is replaced after so many requests, each at another time, so that no leak grows for weeks.
max_requests = 20_000
max_requests_jitter = 2_000
# Whom to believe that a request came over TLS: nginx on this machine.
forwarded_allow_ips = "127.0.0.1"
control_socket_disable = True
# RequestLogMiddleware writes the access log, without paths.
accesslog = None
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "portal.logs.JsonFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True}},
}
