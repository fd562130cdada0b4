"""The REST API of one Airflow instance, as far as failed runs need it: their tasks, logs and history.

Source: https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html (v2 of Airflow 3) and, for v1,
the same page of Airflow 2.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from pipesleuth.client import Answer, Client, Limits, Vendor, checked_base
from pipesleuth.environment import EnvironmentSettings
from pipesleuth.model import Permanent, WrongSetting, timestamp
from pipesleuth.sources import text
from pipesleuth.sources.fields import Fields, fields, items

LIMITS = Limits(connect=4, read=8, whole=10, body=16_777_216)
PAGE, MOST_PAGES = 100, 20
TOKEN_SECONDS = 600.0
LOG_TAIL = 6_000
HINT = "Check AIRFLOW_TOKEN, or AIRFLOW_USERNAME and AIRFLOW_PASSWORD: the role Viewer is enough."
_ANSI = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
# [2026-11-20, 02:14:18 UTC] {taskinstance.py:1898} ERROR - and the same in ISO-8601 with another process's mark.
_LINE_HEAD = re.compile(r"^\[[^\]\n]{8,40}\] \{[^}\n]{1,120}\} (?:[A-Z]{4,8} - )?")
_TELLING = re.compile(r"Traceback \(most recent call last\)|\bERROR\b|\bCRITICAL\b|Task failed with exception")


class AirflowSettings(EnvironmentSettings):
    """The Airflow instance that is asked about failed runs; none is, unless it and a way to sign on are set."""

    model_config = SettingsConfigDict(populate_by_name=True)

    airflow_url: str = Field("", description="Address of the Airflow instance that is asked about its failed runs.")
    airflow_api: Literal["v1", "v2"] = Field("v2", description="Its REST API: `v2` for Airflow 3, `v1` for Airflow 2.")
    airflow_token: SecretStr | None = Field(None, description="Token that signs on to it (Bearer).")
    airflow_username: str = Field("", description="User that signs on where there is no token; a Viewer is enough.")
    airflow_password: SecretStr | None = Field(None, description="That user's password.")

    @field_validator("airflow_url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            return checked_base(value) if value else ""
        except WrongSetting as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.airflow_token or self.airflow_password) and not self.airflow_url:
            raise ValueError("AIRFLOW_TOKEN and AIRFLOW_PASSWORD need AIRFLOW_URL")
        return self

    @property
    def configured(self) -> bool:
        """Whether there is an instance, and a way to sign on."""
        return bool(self.airflow_url and (self.airflow_token or (self.airflow_username and self.airflow_password)))


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A task of a run as the API shows it; `ended` is ISO-8601 text."""

    task_id: str
    map_index: int
    tries: int
    operator: str | None
    ended: str | None

    @property
    def shown(self) -> str:
        """The task's name, with its index where it is mapped."""
        return self.task_id if self.map_index < 0 else f"{self.task_id} [{self.map_index}]"


class AirflowApi:
    """Every method raises Retryable and Permanent."""

    def __init__(self, settings: AirflowSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._base = f"{settings.airflow_url}/api/{settings.airflow_api}"
        given = (settings.airflow_token, settings.airflow_password)
        secrets = tuple(secret.get_secret_value() for secret in given if secret)
        vendor = Vendor(base_urls=(settings.airflow_url,), secrets=secrets, credentials_hint=HINT)
        self._client = Client(vendor, LIMITS, now)
        self._kept: tuple[float, str] | None = None
        self._turn = asyncio.Lock()

    async def failed_tasks(self, dag: str, run: str) -> list[TaskRun]:
        """The tasks of a run that failed themselves, at most 2,000."""
        found: list[TaskRun] = []
        path = f"/dags/{quote(dag, safe='')}/dagRuns/{quote(run, safe='')}/taskInstances"
        async for told in self._listed(path, "task_instances", {"state": "failed"}):
            one = fields(told)
            task = text.name(one.get("taskid"))
            if task is not None and one.get("state") == "failed":
                index, tries = one.get("mapindex"), one.get("trynumber")
                found.append(
                    TaskRun(
                        task,
                        index if isinstance(index, int) and 0 <= index < 1_000_000 else -1,
                        tries if isinstance(tries, int) and 0 < tries < 10_000 else 1,
                        text.name(one.get("operator")),
                        text.name(one.get("enddate")),
                    )
                )
        return found

    async def log_tail(self, dag: str, run: str, task: TaskRun) -> str:
        """The telling end of a task's last log, at most 6,000 characters; empty where there is none."""
        path = f"/dags/{quote(dag, safe='')}/dagRuns/{quote(run, safe='')}/taskInstances/{quote(task.task_id, safe='')}"
        asked = {"full_content": "true"} | ({"map_index": str(task.map_index)} if task.map_index >= 0 else {})
        kind = "text/plain" if self._settings.airflow_api == "v1" else "application/json"
        answer = await self._get(f"{path}/logs/{task.tries}", asked, accept=(404,), kind=kind)
        if answer.status == 404:
            return ""
        return tail(answer.body.decode("utf-8", "replace") if kind == "text/plain" else _lines(answer))

    async def runs(self, state: str, since: datetime, until: datetime, dag: str = "~") -> AsyncIterator[object]:
        """The runs of a DAG, or of all, that ended as `failed` or `success` between two moments."""
        asked = {"state": state, "end_date_gte": timestamp(since), "end_date_lte": timestamp(until)}
        path = f"/dags/{quote(dag, safe='~')}/dagRuns"
        async for run in self._listed(path, "dag_runs", asked | {"order_by": "end_date"}):
            yield run

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def _listed(self, path: str, name: str, asked: Mapping[str, str]) -> AsyncIterator[object]:
        for page in range(MOST_PAGES):
            answer = await self._get(path, {**asked, "limit": str(PAGE), "offset": str(page * PAGE)})
            found = items(answer.json_object().get(name))
            for one in found:
                yield one
            if len(found) < PAGE:
                return

    async def _get(
        self, path: str, asked: Mapping[str, str], accept: tuple[int, ...] = (), kind: str = "application/json"
    ) -> Answer:
        headers = {"authorization": await self._signed_on(), "accept": kind}
        answer = await self._client.call("GET", self._base + path, params=asked, headers=headers, accept=(401, *accept))
        if answer.status == 401:
            self._kept = None  # a token that has ended early: the next try signs on anew
            raise self._client.refusal(answer)
        return answer

    async def _signed_on(self) -> str:
        """The authorisation header's value: Airflow 3 gives a token for user and password, Airflow 2 takes Basic."""
        settings = self._settings
        if settings.airflow_token is not None:
            return f"Bearer {settings.airflow_token.get_secret_value()}"
        password = settings.airflow_password.get_secret_value() if settings.airflow_password else ""
        if settings.airflow_api == "v1":
            pair = f"{settings.airflow_username}:{password}"
            return "Basic " + base64.b64encode(pair.encode()).decode()
        async with self._turn:
            if self._kept is None or self._kept[0] < time.monotonic():
                given = {"username": settings.airflow_username, "password": password}
                url = f"{settings.airflow_url}/auth/token"
                answer = await self._client.call("POST", url, json=given, creates=False)
                token: object = answer.json_object().get("access_token")
                if not isinstance(token, str) or not token:
                    raise Permanent("Airflow's /auth/token gave no access_token. Check AIRFLOW_URL and AIRFLOW_API.")
                self._kept = (time.monotonic() + TOKEN_SECONDS, token)
            return f"Bearer {self._kept[1]}"


def tail(log: str) -> str:
    """The end of a log from where it begins to tell of the failure, without each line's head."""
    lines = [_LINE_HEAD.sub("", _ANSI.sub("", line[:4000])) for line in log[-4 * LOG_TAIL :].splitlines()]
    plain = text.clean("\n".join(lines)).strip()[-LOG_TAIL:]
    told = [found.start() for found in _TELLING.finditer(plain)]
    return plain[plain.rfind("\n", 0, told[0]) + 1 :].strip() if told else plain


def _lines(answer: Answer) -> str:
    """A log of Airflow 3 as text: its events one below the other, each with the errors that came with it."""
    found: list[str] = []
    for event in items(answer.json_object().get("content"), 1_000_000)[-2000:]:
        if isinstance(event, str):
            found.append(event)
        else:
            told = fields(event)
            level, said = (text.name(told.get("level")) or "").upper(), text.message(told.get("event"))
            found.append(f"{level} - {said}" if level in {"ERROR", "CRITICAL"} else said)
            found += [_cause(one) for one in items(told.get("errordetail"), 20)]
    return "\n".join(found)


def _cause(told: object) -> str:
    """One exception of a structured log: its innermost frames, its class and its words."""
    one = fields(told)
    frames = [_frame(fields(frame)) for frame in items(one.get("frames"), 500)[-10:]]
    ending = f"{text.name(one.get('exctype'))}: {text.message(one.get('excvalue'))}"
    return "\n".join(["Traceback (most recent call last):", *frames, ending])


def _frame(place: Fields) -> str:
    file, line, name = (text.name(place.get(key)) for key in ("filename", "lineno", "name"))
    return f'  File "{file}", line {line}, in {name}'
