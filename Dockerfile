# Tanbi's image: a virtual environment from the runtime lock and our own wheel, on a slim base, as an unprivileged user.
# The version that `make test` runs on; any from 3.11 on that the lock has wheels for.
ARG PYTHON_VERSION=3.11

# Our wheel. The build needs hatchling, which is in the development lock with its hash; this stage is thrown away.
FROM python:${PYTHON_VERSION}-slim AS wheel
WORKDIR /src
COPY requirements.lock ./
RUN pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY service ./service
COPY schemas ./schemas
COPY migrations ./migrations
COPY loadtest ./loadtest
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheel .

# What runs, and nothing else.
FROM python:${PYTHON_VERSION}-slim AS environment
WORKDIR /src
RUN python -m venv /opt/tanbi
ENV PATH=/opt/tanbi/bin:$PATH
COPY requirements-runtime.lock ./
RUN pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements-runtime.lock
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --no-deps --no-index /wheel/*.whl && pip check

FROM python:${PYTHON_VERSION}-slim
RUN useradd --system --uid 10001 --user-group --home-dir /nonexistent --shell /usr/sbin/nologin tanbi
COPY --from=environment /opt/tanbi /opt/tanbi
ENV PATH=/opt/tanbi/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080
# No proxy of the environment's between the check and its own port.
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8080/readyz', timeout=3)"]
ENTRYPOINT ["tanbi"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
