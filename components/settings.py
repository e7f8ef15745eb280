"""The typed settings of one Arthaflow process, read from ``ARTHAFLOW_*`` environment variables.

The embedded defaults need no server and no cluster: everything lives under one folder, ``ARTHAFLOW_HOME``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of one process.

    Attributes
    ----------
    home : Path
        Everything that a run leaves behind: artifacts, MLflow's database, Feast's stores, logs.
    artifact_store : str
        A folder, or ``s3://bucket/prefix``; empty means ``home/artifacts``.
    s3_endpoint : str
        ``http(s)://host:port`` of MinIO or another S3 service; needed with an ``s3://`` store.
    s3_access_key, s3_secret_key : SecretStr
        Credentials; ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` are used when these are empty.
    s3_region : str
        Region that is signed into S3 requests.
    tracking_uri : str
        MLflow tracking and registry; empty means SQLite in ``home``.
    model_path : str
        Extra folders with rooms of models, separated by the platform's path separator.
    image_registry, image_tag : str
        Compiled graphs, trials and charts name the image of a role ``<registry>/<role>:<tag>``; an empty tag means this
        release. See :mod:`components.images`.
    database_url : str
        The product's records (prediction log, experiments, jobs): ``postgresql+psycopg://user@host/name`` on a cluster;
        empty means SQLite in ``home``.
    redis_url : str
        ``redis://host:port/0`` for caches and limits that hold across replicas; empty means in this process.
    pepper : SecretStr
        Key of the hash under which callers and users stand in the prediction log; empty means one made once and kept in
        ``home``. Replicas must share it.
    audit_key : SecretStr
        Key of the prediction log's hash chain, so that nobody who can only write to the database can forge it; empty
        likewise.
    audit_anchors : str
        A second file for anchors of that chain, on another disk or mount; they always go to ``home/audit`` too.
    explain_python : str
        Python of the optional Alibi environment; empty means ``.venv-explain`` beside the running environment.
    """

    model_config = SettingsConfigDict(env_prefix="ARTHAFLOW_", extra="ignore")

    home: Path = Path(".arthaflow")
    artifact_store: str = ""
    s3_endpoint: str = ""
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    s3_region: str = "us-east-1"
    tracking_uri: str = ""
    model_path: str = ""
    image_registry: str = "arthaflow"
    image_tag: str = ""
    database_url: str = ""
    redis_url: str = ""
    pepper: SecretStr = SecretStr("")
    audit_key: SecretStr = SecretStr("")
    audit_anchors: str = ""
    explain_python: str = ""

    @property
    def root(self) -> Path:
        """``home`` as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def store_uri(self) -> str:
        """Where artifacts live: an ``s3://`` URI or an absolute folder."""
        return self.artifact_store or str(self.root / "artifacts")

    @property
    def records_uri(self) -> str:
        """SQLAlchemy URL of the product's records."""
        return self.database_url or f"sqlite:///{self.root / 'records.db'}"

    @property
    def mlflow_uri(self) -> str:
        """MLflow's tracking and registry URI."""
        return self.tracking_uri or f"sqlite:///{self.root / 'mlflow.db'}"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings()
