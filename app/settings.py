"""Settings, read from environment variables that start with NAMESAKE_."""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "NAMESAKE_"
FOR_TESTS = ("NAMESAKE_TEST_", "NAMESAKE_BENCH_")  # read by tests and benchmarks, no settings of the service

EncoderBackend = Literal["auto", "onnx-int8", "onnx-fp32", "torch"]
LogFormat = Literal["console", "json"]
KeylessReading = Literal["loopback", "always", "never"]
LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsError(ValueError):
    """A setting cannot be used; the message names the variable, its value and what to set instead."""


def default_home() -> Path:
    """Return where data is kept: /var/lib/namesake for root, a folder of the user's own for anybody else.

    Root's own home is private to root, and Postgres, which refuses to run as root, could not reach its files there.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/namesake")
    return Path(platformdirs.user_data_dir("namesake", appauthor=False))


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _adapter(value: str) -> str:
    return value if value in ("shipped", "none") else str(_absolute(Path(value)))


def _postgres_url(url: str | None) -> str | None:
    if url is not None and not url.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
        raise ValueError("Input should be a Postgres URL such as postgresql://user:password@host:5432/namesake")
    return url


def _addresses(value: str) -> str:
    for item in value.split(","):
        try:
            ipaddress.ip_network(item.strip())
        except ValueError:
            raise ValueError("Input should be addresses or networks such as 127.0.0.1,10.0.0.0/8") from None
    return value


def _job_sources(value: str | None) -> str | None:
    for item in (value or "").split(","):
        if value is not None and not item.strip().startswith(("/", "https://", "http://")):
            raise ValueError("Input should be absolute paths and URLs such as /data/texts,https://example.org/dumps/")
    return value


class Settings(BaseSettings):
    """Everything that can be set. `docs/settings.md` lists the same names."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    home: Annotated[Path, AfterValidator(_absolute)] = Field(
        default_factory=default_home,
        description="Folder for the embedded database, the index snapshots and the encoder's cached graphs.",
    )
    database_url: Annotated[str | None, AfterValidator(_postgres_url)] = Field(
        default=None,
        repr=False,
        description="URL of a Postgres database (14 or later). Without it, an embedded Postgres runs under the home "
        "folder.",
    )
    namespace: str = Field(
        default="default",
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        description="Name of the knowledge base to serve; several can live in one database. Letters, digits, _ and -.",
    )
    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 for all interfaces."
    )
    port: int = Field(default=8000, ge=1, le=65535, description="TCP port to listen on.")
    workers: int = Field(default=1, ge=1, le=256, description="Server processes; each holds its own model in memory.")
    published_host: str | None = Field(
        default=None,
        min_length=1,
        description="In a container: the address of the machine that the port is published on. Without it, "
        "`NAMESAKE_HOST` is the address that others reach.",
    )
    read_without_key: KeylessReading = Field(
        default="loopback",
        description="Who may read and link without a key: `loopback` (requests from this machine, as long as the "
        "service is reached on loopback addresses alone and through no proxy), `always` (everybody), `never` (nobody).",
    )
    trusted_proxies: Annotated[str, AfterValidator(_addresses)] = Field(
        default="127.0.0.1,::1",
        description="Addresses or networks of proxies whose `X-Forwarded-For` says who the client is, with commas "
        "between them.",
    )
    rate_limit: float = Field(
        default=100.0,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="Requests a second that each key, and each address without a key, may send in the long run; 0 for "
        "no limit.",
    )
    rate_burst: int = Field(
        default=200,
        ge=1,
        le=1_000_000,
        description="Requests that each of them may send at once, after a while without any.",
    )
    rate_limit_loopback: bool = Field(
        default=False,
        description="Whether the limit also holds for requests from this machine, as `NAMESAKE_READ_WITHOUT_KEY` means "
        "them.",
    )
    encoder: str = Field(
        default="package",
        min_length=1,
        description=(
            "Where the token encoder's weights come from: `package` (installed with Namesake), the path of a folder "
            "with `model.safetensors`, `config.json` and `tokenizer.json`, or `hub:NAME` for the Hugging Face hub."
        ),
    )
    encoder_sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="sha256 that the encoder's `model.safetensors` must have, 64 hexadecimal digits. Without it, the "
        "hash of the weights that Namesake was trained with.",
    )
    adapter: Annotated[str, AfterValidator(_adapter)] = Field(
        default="shipped",
        min_length=1,
        description="What training adds to the encoder: `shipped` (comes with Namesake), the path of a file that "
        "training wrote, or `none` for the encoder as it is. Another one needs an index of its own.",
    )
    scorer: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        default=None,
        description="File with the scorer's weights, as `namesake fit --out` writes it. Without it, the weights that "
        "come with Namesake.",
    )
    backend: EncoderBackend = Field(
        default="auto",
        description="What runs the encoder: `onnx-int8` (fastest on a CPU), `onnx-fp32`, `torch` (GPU), or `auto`: "
        "`torch` where there is a GPU, else `onnx-int8`.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Threads for the encoder. Without it, one for each core of this process.",
    )
    link_workers: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Requests that are linked at the same time. Without it, one for each core of this process.",
    )
    compact_after: int = Field(
        default=2000,
        ge=0,
        le=4_000,
        description="Changed entities beside the index from which on a new index is built in the background; 0 for "
        "never.",
    )
    max_waiting: int = Field(
        default=256, ge=0, description="Requests that may wait for their turn to be linked; one more is answered 503."
    )
    link_seconds: float = Field(
        default=120.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds after which a request to link is given up and answered 503; a request may ask for fewer.",
    )
    max_namespaces: int = Field(
        default=8,
        ge=1,
        le=100,
        description="Knowledge bases beside the served one that each process keeps open for linking; of more, the "
        "least recently used one is closed.",
    )
    max_text_chars: int = Field(default=1_000_000, ge=1, description="Longest text of a document, in code points.")
    max_body_bytes: int = Field(default=16_777_216, ge=1024, description="Largest request body, in bytes.")
    max_texts: int = Field(default=1000, ge=1, description="Most documents in one request.")
    max_mentions: int = Field(default=10_000, ge=1, description="Most mentions given for one document.")
    job_sources: Annotated[str | None, AfterValidator(_job_sources)] = Field(
        default=None,
        description="Folders of this machine and prefixes of URLs that jobs may read documents from, with commas "
        "between them: `/data/texts,https://example.org/dumps/`. Without it, documents must be uploaded.",
    )
    job_max_bytes: int = Field(
        default=1_073_741_824, ge=1024, description="Largest file of documents that a job takes, in bytes."
    )
    jobs_per_key: int = Field(
        default=10, ge=1, le=100_000, description="Jobs of one key that may be unfinished at the same time."
    )
    job_documents_per_day: int = Field(
        default=1_000_000,
        ge=0,
        description="Documents that the jobs of one key may read within 24 hours; 0 for no limit.",
    )
    job_days: int = Field(
        default=30,
        ge=0,
        le=36_500,
        description="Days that finished jobs are kept with their documents and results; 0 keeps them for ever.",
    )
    job_lease_seconds: float = Field(
        default=15.0,
        ge=1,
        le=3600,
        allow_inf_nan=False,
        description="Seconds after which a worker that says nothing is taken for dead, and another one does its work.",
    )
    feedback_days: int = Field(
        default=365,
        ge=0,
        le=36_500,
        description="Days that the texts of feedback and of collected mentions are kept; 0 keeps them for ever.",
    )
    collect_nil: bool = Field(
        default=False,
        description="Whether mentions that are answered with NIL are stored with the words around them, to propose new "
        "entities.",
    )
    proposal_mentions: int = Field(
        default=3, ge=1, le=1_000_000, description="Mentions from which on a new entity is proposed to curators."
    )
    proposal_similarity: float = Field(
        default=0.2,
        ge=-1,
        le=1,
        allow_inf_nan=False,
        description="Cosine of the words around two mentions of a name from which on they are taken to mean the same.",
    )
    log_format: LogFormat = Field(default="console", description="`console` for people, `json` for log collectors.")
    log_level: LogLevel = Field(default="info", description="Least severe level that is logged.")

    def environment(self) -> dict[str, str]:
        """Return the variables that give another process these settings."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        # An empty variable counts as one that is not set.
        return {PREFIX + name.upper(): "" if value is None else str(value) for name, value in values.items()}


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` win over the environment, an override of None leaves the environment's value.

    Raises:
        SettingsError: a value cannot be used.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(error))) from None


def unknown_settings(environment: Mapping[str, str]) -> list[str]:
    """Return a message for each variable of the environment that has our prefix but is no setting."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    messages = []
    for variable in sorted(environment):
        upper = variable.upper()
        if not upper.startswith(PREFIX) or upper.startswith(FOR_TESTS) or upper in known:
            continue
        nearest = difflib.get_close_matches(upper, known, n=1, cutoff=0.0)[0]
        messages.append(f"{variable} is set but is no setting of Namesake: did you mean {nearest}?")
    return messages


def _explain(error: ValidationError) -> Iterator[str]:
    """Yield a line for each value that is wrong: variable, value, what is wrong, remedy."""
    for item in error.errors(include_url=False, include_context=False):
        name = str(item["loc"][0])
        field = Settings.model_fields.get(name)
        if field is None:
            yield f"{name} is no setting: see docs/settings.md"
            continue
        # A database URL usually holds a password, which must not reach a terminal or a log.
        value = "(not shown)" if name == "database_url" else repr(item["input"])
        message = item["msg"].removeprefix("Value error, ")
        default = field.get_default(call_default_factory=True, validated_data={})
        remedy = "or unset it" if default is None else f"or unset it to get the default, {default}"
        yield (
            f"{PREFIX}{name.upper()}={value} cannot be used: {message}. It is: {field.description} "
            f"Set it to a value of that kind, {remedy}."
        )
