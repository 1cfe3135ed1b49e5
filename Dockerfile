# The image of every step on Vertex AI and Kubeflow Pipelines: `make image`; and, by `--target serve`, of a server of fares.
# Node.js makes what `farelite page` needs in the first stage; uv and pip stay in the second one, the third one gets a
# finished virtual environment.
# By name alone, as no registry told the digest; `docker buildx imagetools inspect python:3.13-slim-trixie` prints it, and
# `docker build --build-arg BASE=python:3.13-slim-trixie@sha256:…` takes that one and no other.
ARG BASE=python:3.13-slim-trixie
ARG NODE=node:22-slim

FROM ${NODE} AS page
WORKDIR /build
COPY page page
RUN cd page && npm ci --silent && npm run --silent build

FROM ${BASE} AS build
WORKDIR /build
RUN python -m venv --without-pip /opt/farelite
COPY requirements/bootstrap.txt requirements/build.txt requirements/image.txt requirements/
RUN python -m venv /opt/uv && /opt/uv/bin/python -m pip install -q --no-cache-dir --require-hashes -r requirements/bootstrap.txt
# The lock is complete and leaves out what nobody uses, hence --no-deps. Two packages come as pure Python source.
RUN /opt/uv/bin/uv pip install -q --no-cache --no-deps --compile-bytecode --python /opt/farelite/bin/python --require-hashes \
    --build-constraints requirements/build.txt --require-build-hashes -r requirements/image.txt
COPY setup.py pyproject.toml LICENSE ./
COPY configs configs
COPY transforms transforms
COPY models models
COPY components components
COPY pipeline pipeline
COPY --from=page /build/pipeline/report/runtime pipeline/report/runtime
RUN /opt/uv/bin/uv build -q --wheel --no-build-isolation --offline --python /opt/farelite/bin/python --out-dir dist .
RUN /opt/uv/bin/uv pip install -q --no-deps --no-index --compile-bytecode --python /opt/farelite/bin/python dist/farelite-*.whl

FROM ${BASE} AS runtime
RUN useradd --uid 1000 --create-home farelite
COPY --from=build /opt/farelite /opt/farelite
# Keras 2 for TFMA and Transform, whose processes know nothing of this project's own switch.
ENV PATH=/opt/farelite/bin:$PATH \
    TF_USE_LEGACY_KERAS=1 \
    TF_CPP_MIN_LOG_LEVEL=1 \
    PYTHONUNBUFFERED=1
USER 1000
WORKDIR /home/farelite

# Versions are mounted, or copied by an image on top of this one, to /srv/versions.
FROM runtime AS serve
EXPOSE 8080
CMD ["farelite", "serve", "/srv/versions", "--host", "0.0.0.0"]

# The last one is what is built where no target is named.
FROM runtime
CMD ["farelite", "--help"]
