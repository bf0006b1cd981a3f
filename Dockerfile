# Give both with their digest to build on exactly the images that you have looked at: docs/security.md.
ARG NODE_IMAGE=node:22-slim
ARG PYTHON_IMAGE=python:3.13-slim

# The web pages are built in a stage of their own: no Node in the image.
FROM ${NODE_IMAGE} AS pages
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-fund --no-audit
COPY web ./
RUN npm run build

# The application: `serve`, `worker` and the command line, from one image. The database is TimescaleDB's own image.
FROM ${PYTHON_IMAGE}

RUN useradd --system --create-home --home-dir /srv/rts rts
WORKDIR /srv/rts

COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY agent agent
COPY alerts alerts
COPY api api
COPY auth auth
COPY cli cli
COPY commands commands
COPY core core
COPY db db
COPY demo demo
COPY devices devices
COPY embedded embedded
COPY health health
COPY ingest ingest
COPY inventory inventory
COPY pages pages
COPY --from=pages /pages/static pages/static
COPY protocols protocols
COPY retention retention
COPY rollups rollups
COPY worker worker
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
 && mkdir keys && chown rts keys

USER rts
ENV RTS_KEYS_FILE=/srv/rts/keys/keys.json
EXPOSE 3002
ENTRYPOINT ["rts-agents"]
CMD ["serve", "--host", "0.0.0.0"]
