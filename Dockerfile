# Pipesleuth in one image: `serve`, `worker` and every other command.
#   docker build -t pipesleuth .
#   docker build -t pipesleuth --build-arg LOCK=requirements-azure.lock .    with Azure SQL's driver and Key Vault
# Pin the base by its digest where you build for production: --build-arg PYTHON=3.12-slim-bookworm@sha256:…
# A glibc image on purpose: google-re2 has no wheel for musl.
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
ARG LOCK=requirements.lock
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock requirements-azure.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/pipesleuth \
    && python -m pip --python /opt/pipesleuth install --require-hashes --no-deps --no-compile -r "${LOCK}" \
    && python -m pip install --require-hashes --no-deps -r requirements-build.lock \
    && rm -rf /opt/pipesleuth/lib/python3*/site-packages/google/genai/tests \
              /opt/pipesleuth/lib/python3*/site-packages/regex/tests
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# What a start loads is compiled here: the image's files cannot be written later.
RUN python -m pip wheel --no-build-isolation --no-deps --wheel-dir /wheel . \
    && python -m pip --python /opt/pipesleuth install --no-index --no-deps --no-compile /wheel/*.whl \
    && /opt/pipesleuth/bin/python -c "import pipesleuth.app, pipesleuth.cli.server, pipesleuth.cli.serve, pipesleuth.probe, alembic.command, psycopg, uvloop, httptools, websockets, sqlalchemy.dialects.postgresql.psycopg"

FROM python:${PYTHON}
ARG LOCK=requirements.lock
LABEL org.opencontainers.image.title="Pipesleuth" \
      org.opencontainers.image.description="One ticket, with its root cause, for every failed data-pipeline run." \
      org.opencontainers.image.licenses="MIT"
# Libraries that Azure SQL's driver loads.
# hadolint ignore=DL3008  # whatever the pinned base's own archive has is newest, and that is wanted
RUN if [ "${LOCK}" = requirements-azure.lock ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends libltdl7 libkrb5-3 libgssapi-krb5-2 \
        && rm -rf /var/lib/apt/lists/*; \
    fi \
    && groupadd --gid 10001 pipesleuth \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin pipesleuth \
    && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /opt/pipesleuth /opt/pipesleuth
ENV PATH=/opt/pipesleuth/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
WORKDIR /data
USER 10001:10001
# Nothing else is ever written: run it with a read-only root, a volume here and a tmpfs on /tmp.
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s --retries=3 \
    CMD ["python", "-m", "pipesleuth.probe", "8000", "/readyz?for=intake"]
ENTRYPOINT ["pipesleuth"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
