# The operator. Everything is installed from locked hashes; the runtime stage holds Python and a virtual environment. The root file system may be read-only.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS python
ARG DEBIAN_FRONTEND=noninteractive
RUN groupadd --gid 65532 dharma \
 && useradd --uid 65532 --gid 65532 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin dharma \
 && apt-get update -q \
 && apt-get install -q -y --no-install-recommends ca-certificates python3 tzdata \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*.log /var/log/apt/* \
      /usr/share/doc/* /usr/share/man/* /usr/share/locale/*

# pip lives in an environment of its own and installs into the one that is shipped.
FROM python AS build
ARG DEBIAN_FRONTEND=noninteractive
# A bundle of certificate authorities for pip, where an index has one of its own.
ARG PIP_CERT=
ARG PIP_DISABLE_PIP_VERSION_CHECK=1
ARG PIP_NO_CACHE_DIR=1
ARG PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends python3-venv \
 && python3 -m venv /build/venv \
 && python3 -m venv --without-pip /opt/iac-dharma
COPY requirements/build.txt requirements/operator.txt requirements/
RUN venv/bin/pip install -q --require-hashes --only-binary :all: -r requirements/build.txt \
 && venv/bin/pip --python /opt/iac-dharma/bin/python install -q --require-hashes --only-binary :all: -r requirements/operator.txt

# The project goes into a layer of its own: it changes often, its dependencies seldom. The README is for the index's page and not needed here.
FROM build AS project
COPY pyproject.toml LICENSE ./
COPY crds/dharma_crds crds/dharma_crds
COPY handlers/dharma_handlers handlers/dharma_handlers
COPY operator/dharma_operator operator/dharma_operator
RUN touch README.md \
 && venv/bin/pip wheel -q --no-deps --no-build-isolation --wheel-dir dist . \
 && venv/bin/pip --python /opt/iac-dharma/bin/python install -q --no-deps --no-warn-script-location --root /project dist/*.whl

FROM python
ENV LANG=C.UTF-8 \
    PATH=/opt/iac-dharma/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

LABEL org.opencontainers.image.title="iac-dharma operator" \
      org.opencontainers.image.description="Operator of IaC Dharma: databases, deployments and tenants from custom resources" \
      org.opencontainers.image.licenses="Apache-2.0"

USER 65532:65532
WORKDIR /
ENTRYPOINT ["dharma-operator"]
COPY --from=build /opt/iac-dharma /opt/iac-dharma
COPY --from=project /project/ /
