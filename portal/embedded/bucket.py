"""The bucket: rclone serves a private folder over S3 and checks every signature. What is unsigned is refused."""

import http.client
import sysconfig
from pathlib import Path

from portal.embedded.errors import StackError
from portal.embedded.process import Part
from portal.embedded.state import LOOPBACK

REGION = "us-east-1"


class Bucket:
    """The object store of one folder: each folder in it is a bucket."""

    def __init__(self, folder: Path, *, port: int, key_id: str, secret: str) -> None:
        self.data = folder / "bucket"
        self.port = port
        self.key_id = key_id
        self.secret = secret

    def prepare(self, *names: str) -> None:
        for name in names:
            (self.data / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def part(self) -> Part:
        binary = Path(sysconfig.get_path("scripts")) / "rclone"
        if not binary.exists():
            raise StackError(f"{binary} is missing: install the requirements again.")
        command = [
            str(binary), "serve", "s3", str(self.data),
            f"--addr={LOOPBACK}:{self.port}",
            "--config=",
            # Files that somebody puts into the folder by hand are seen at once.
            "--dir-cache-time=1s",
            "--log-level=NOTICE",
        ]  # fmt: skip
        # In the environment, because others on the machine can read command lines.
        keys = {"RCLONE_AUTH_KEY": f'"{self.key_id},{self.secret}"'}
        return Part(name="bucket", command=command, ready=self.answers, environment=keys, stop_seconds=5)

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=1)
        try:
            connection.request("GET", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"
