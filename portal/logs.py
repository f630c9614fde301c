"""JSON log lines."""

import structlog


class JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """One JSON object a line; no token and no path below /get/ ever gets here."""
