# syntax=docker/dockerfile:1
# One image for the three services and the `axbridge` command; the arguments pick what runs:
#
#   docker run axbridge gateway | routing_service | event_service
#   docker run --entrypoint axbridge axbridge migrate
#
# It has no shell scripts of its own, needs no shell, no writable root file system and no particular user id.
# Health is asked for by Kubernetes' probes, so there is no HEALTHCHECK.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG SOURCE_DATE_EPOCH=0
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
# --copies would tie the environment to one base image's layout; the links point at the same python3 in both stages.
RUN ["python3", "-m", "venv", "--without-pip", "/opt/axbridge"]
COPY requirements.lock ./
# Only ready-made, hash-locked packages: there is no compiler here either. The secrets are for networks of their own,
# a pip configuration and certificate authorities; they are mounted for this step and stay out of every layer.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca-certificates.crt,target=/run/secrets/ca-certificates.crt \
    if [ -s /run/secrets/ca-certificates.crt ]; then export PIP_CERT=/run/secrets/ca-certificates.crt; fi; \
    python3 -m pip --python /opt/axbridge/bin/python install -qq --no-compile --only-binary :all: \
      --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY protos protos
COPY common common
COPY gateway gateway
COPY routing_service routing_service
COPY event_service event_service
COPY axbridge_client axbridge_client
COPY simulator simulator
COPY cli cli
COPY tools/k8s/finish_installation.py /build/tools/
# The package is built by the locked build backend, then what only building and developing need is removed,
# the rest compiled (a read-only root file system can't keep bytecode) and listed in a bill of materials.
RUN python3 -m pip --python /opt/axbridge/bin/python install -qq --no-compile --no-deps --no-index \
      --no-build-isolation . \
    && /opt/axbridge/bin/python /build/tools/finish_installation.py /opt/axbridge

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="axbridge" \
      org.opencontainers.image.description="The enterprise's side of a call platform's inbound call forwarding interface" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      io.axbridge.sbom="/opt/axbridge/share/axbridge/sbom.cdx.json"
COPY --from=build /opt/axbridge /opt/axbridge
ENV PATH=/opt/axbridge/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1
WORKDIR /
USER 65532:65532
EXPOSE 8080 50051 50052
ENTRYPOINT ["/opt/axbridge/bin/python", "-m"]
CMD ["gateway"]
